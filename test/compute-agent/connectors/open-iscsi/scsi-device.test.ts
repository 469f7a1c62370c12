import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mapsOf } from '#compute-agent/connectors/open-iscsi/maps.ts';
import {
  byPathName,
  discards,
  holdersOf,
  listDevices,
  multipathName,
  parseSerialPage,
  serialOf,
  wwidOf,
} from '#compute-agent/connectors/open-iscsi/scsi-device.ts';
import { isAt, listSessions } from '#compute-agent/connectors/open-iscsi/sessions.ts';
import { pathsTo } from '#compute-agent/connectors/open-iscsi/unit.ts';
import { recordedSysfs } from './sysfs.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';
const IQN = `iqn.2010-10.org.blockyard:volume-${VOLUME}`;

/** Recorded with Linux 6.1: a volume on three paths, one of them IPv6, another volume's session beside them. */
describe('sessions and disks in sysfs', () => {
  let sys: string;

  before(async () => {
    sys = await recordedSysfs('multipath');
  });
  after(() => rm(sys, { recursive: true }));

  it('sessions are those of the wanted targets', async () => {
    const sessions = await listSessions(sys, (iqn) => iqn === IQN);
    assert.deepEqual(
      sessions.map(({ sid, iqn, portal, state, initiator, host }) => ({
        sid,
        iqn,
        portal,
        state,
        initiator,
        host,
      })),
      [
        [35, '10.77.1.1', 6],
        [36, 'fd00::1', 7],
        [37, '10.77.0.1', 8],
      ].map(([sid, address, host]) => ({
        sid,
        iqn: IQN,
        portal: { host: address, port: 3260 },
        state: 'LOGGED_IN',
        initiator: 'iqn.2010-10.org.blockyard:host:compute',
        host,
      })),
    );
    assert.ok(isAt(sessions[1]!, { host: 'fd00::1', port: 3260 }));
    assert.ok(!isAt(sessions[1]!, { host: 'fd00::1', port: 3261 }));
    assert.equal((await listSessions(sys, () => true)).length, 4);
    assert.deepEqual(await listSessions(join(sys, 'none'), () => true), []);
  });

  it('disks are told by session, unit, serial number and name', async () => {
    const paths = await pathsTo(sys, { iqn: IQN, lun: 0 });
    assert.deepEqual(
      paths.map(({ device }) => device.block),
      ['sda', 'sdb', 'sdc'],
    );
    for (const { device } of paths) {
      assert.equal(await serialOf(device), VOLUME);
      assert.equal(await wwidOf(device), '360014051111111111114111811111111');
      assert.deepEqual(await mapsOf(sys, device.block ?? ''), ['dm-0']);
      assert.equal(await discards(sys, device.block ?? ''), true);
    }
    assert.deepEqual(await pathsTo(sys, { iqn: IQN, lun: 1 }), []);
    assert.equal(await multipathName(sys, 'dm-0'), '360014051111111111114111811111111');
    assert.equal(await multipathName(sys, 'sda'), null);
    assert.deepEqual(await holdersOf(sys, 'sdz'), []);
    assert.equal(await discards(sys, 'sdz'), false);
  });

  it('a session without a disk has none', async () => {
    const [session] = await listSessions(sys, (iqn) => iqn === IQN);
    await rm(join(session!.folder, 'target6:0:0'), { recursive: true });
    assert.deepEqual(await listDevices(session!), []);
    await rm(join(session!.folder, 'connection35:0'), { recursive: true });
    assert.equal((await listSessions(sys, (iqn) => iqn === IQN))[0]?.portal, null);
  });

  it('serial number pages are read as far as they go', () => {
    assert.equal(parseSerialPage(Buffer.from([0, 0x80, 0, 4, 0x20, 0x61, 0x62, 0x20, 0x78])), 'ab');
    for (const page of [[], [0, 0x80], [0, 0x83, 0, 1, 0x61]])
      assert.equal(parseSerialPage(Buffer.from(page)), '');
  });

  it('links are named as udev names them', () => {
    assert.equal(byPathName(IQN, { host: 'fd00::1', port: 3260 }, 3), `ip-fd00::1:3260-iscsi-${IQN}-lun-3`);
  });
});
