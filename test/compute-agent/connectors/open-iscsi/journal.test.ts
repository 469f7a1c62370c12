import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '#compute-agent/connectors/open-iscsi/journal.ts';

const ID = '11111111-1111-4111-8111-11111111111a';
const ENTRY = {
  volumeId: ID,
  iqn: 'iqn.2010-10.org.blockyard:v',
  lun: 0,
  portals: ['10.0.0.1:3260'],
  initiator: 'iqn.x',
};

describe('journal of connections', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-journal-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('outlives its process, and finds a volume however its id is spelt', async () => {
    const journal = openJournal(join(dir, 'new'));
    assert.equal(await journal.get(ID), null);
    await journal.put(ENTRY);
    await journal.put({ ...ENTRY, lun: 1 });
    const again = openJournal(join(dir, 'new'));
    assert.deepEqual(await again.get(ID.toUpperCase()), { ...ENTRY, lun: 1 });
    await again.remove(ID);
    await again.remove(ID);
    assert.deepEqual([await journal.get(ID), await readdir(join(dir, 'new'))], [null, []]);
  });

  it('takes what a power cut has torn for missing', async () => {
    const journal = openJournal(dir);
    await writeFile(join(dir, `${ID}.json`), '{"volumeId":"1111');
    await writeFile(join(dir, `${ID}.json.draft`), '{');
    assert.equal(await journal.get(ID), null);
    await journal.put(ENTRY);
    assert.deepEqual(await journal.get(ID), ENTRY);
  });

  it('knows no volumes but UUIDs', async () => {
    await assert.rejects(openJournal(dir).get('../x'), { code: 'invalid' });
  });
});
