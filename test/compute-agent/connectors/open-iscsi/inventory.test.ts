import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listConnections } from '#compute-agent/connectors/open-iscsi/inventory.ts';
import { openJournal } from '#compute-agent/connectors/open-iscsi/journal.ts';
import { writeNodeRecords } from '#compute-agent/connectors/open-iscsi/node-record.ts';
import type { Places } from '#compute-agent/connectors/open-iscsi/places.ts';
import { parsePortal } from '#compute-agent/connectors/portal.ts';
import { recordedSysfs } from './sysfs.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';
const LEFT = '99999999-9999-4999-8999-999999999999';
const iqnOf = (volume: string): string => `iqn.2010-10.org.blockyard:volume-${volume}`;

/** Three paths to a volume, as recorded; the session of another volume beside them is not ours by any record. */
describe('connections of open-iscsi, as told', () => {
  let dir: string;
  let places: Places;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-told-'));
    places = { sys: await recordedSysfs('multipath'), dev: join(dir, 'dev'), nodes: join(dir, 'nodes') };
  });
  after(async () => {
    await rm(dir, { recursive: true });
    await rm(places.sys, { recursive: true });
  });

  it('are those of the journal and of our records, with sessions, disks and what they say they are', async () => {
    const journal = openJournal(join(dir, 'connections'));
    const portals = ['10.77.0.1:3260'];
    const initiator = 'iqn.2010-10.org.blockyard:host:compute';
    await journal.put({ volumeId: VOLUME, iqn: iqnOf(VOLUME), lun: 0, portals, initiator });
    await writeNodeRecords(places.nodes, {
      iqn: iqnOf(LEFT),
      portals: portals.map(parsePortal),
      initiator,
      chap: { username: 'user', secret: 'a-secret-of-16-c' },
    });
    const [connected, left, ...others] = await listConnections(places, journal);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [connected?.volumeId, connected?.journal, connected?.records, connected?.sessions],
      [VOLUME, true, false, ['LOGGED_IN', 'LOGGED_IN', 'LOGGED_IN']],
    );
    assert.deepEqual([...new Set(connected?.devices.map(({ serial }) => serial))], [VOLUME]);
    assert.deepEqual(left, {
      volumeId: LEFT,
      iqn: iqnOf(LEFT),
      journal: false,
      records: true,
      sessions: [],
      devices: [],
      links: [],
    });
  });
});
