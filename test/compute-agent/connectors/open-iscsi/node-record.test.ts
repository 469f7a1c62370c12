import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ourTargets,
  recordedPortals,
  removeNodeRecords,
  writeNodeRecords,
} from '#compute-agent/connectors/open-iscsi/node-record.ts';
import { parsePortal } from '#compute-agent/connectors/portal.ts';

const IQN = 'iqn.2010-10.org.blockyard:volume-11111111-1111-4111-8111-111111111111';
const PORTALS = ['10.77.0.1:3260', '[FD00:0::1]:3260'].map(parsePortal);
const ACCESS = {
  iqn: IQN,
  portals: PORTALS,
  initiator: 'iqn.2010-10.org.blockyard:host:compute',
  chap: { username: 'user', secret: 'a-secret-of-16-c' },
};

describe('node records of open-iscsi', () => {
  let nodes: string;

  beforeEach(async () => {
    nodes = join(await mkdtemp(join(tmpdir(), 'by-nodes-')), 'nodes');
  });
  afterEach(() => rm(join(nodes, '..'), { recursive: true, force: true }));

  it('are named and written as open-iscsi does, one per portal, for root alone', async () => {
    await writeNodeRecords(nodes, ACCESS);
    await writeNodeRecords(nodes, ACCESS);
    assert.deepEqual((await readdir(join(nodes, IQN))).toSorted(), ['10.77.0.1,3260', 'fd00::1,3260']);
    const path = join(nodes, IQN, 'fd00::1,3260');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const text = await readFile(path, 'utf8');
    const values = Object.fromEntries(
      text
        .split('\n')
        .filter((line) => line.includes(' = '))
        .map((line) => line.split(' = ')),
    );
    assert.equal(values['node.name'], IQN);
    assert.equal(values['node.startup'], 'manual');
    assert.equal(values['node.session.scan'], 'manual');
    assert.equal(values['iface.initiatorname'], ACCESS.initiator);
    assert.equal(values['node.session.auth.authmethod'], 'CHAP');
    assert.equal(values['node.session.auth.username'], 'user');
    assert.equal(values['node.session.auth.password'], ACCESS.chap.secret);
    assert.equal(values['node.conn[0].address'], 'fd00::1');
    assert.equal(values['node.conn[0].port'], '3260');
    await writeNodeRecords(nodes, { ...ACCESS, portals: PORTALS.slice(0, 1) });
    assert.deepEqual(await readdir(join(nodes, IQN)), ['10.77.0.1,3260']);
  });

  it('are told from those of others', async () => {
    await writeNodeRecords(nodes, ACCESS);
    const other = 'iqn.2003-01.org.example:disk';
    await mkdir(join(nodes, other, '10.0.0.1,3260,1'), { recursive: true });
    await writeFile(join(nodes, other, '10.0.0.1,3260,1', 'default'), 'node.name = x\n');
    const mixed = `${IQN.slice(0, -1)}2`;
    await writeNodeRecords(nodes, { ...ACCESS, iqn: mixed });
    await writeFile(join(nodes, mixed, '10.0.0.1,3260'), '# BEGIN RECORD 2.1.8\n');
    assert.deepEqual(await ourTargets(nodes), [IQN]);
    const unknown = parsePortal('10.0.0.9:3260');
    assert.deepEqual(await recordedPortals(nodes, IQN, [unknown, ...PORTALS]), PORTALS);
    await removeNodeRecords(nodes, IQN);
    await removeNodeRecords(nodes, IQN);
    assert.deepEqual((await readdir(nodes)).toSorted(), [other, mixed].toSorted());
    assert.deepEqual(await recordedPortals(nodes, IQN, PORTALS), []);
  });

  it('hold nothing that could be another line or another folder', async () => {
    const invalid = { code: 'invalid' };
    const chap = { username: 'user', secret: 'x\nnode.startup = automatic' };
    await assert.rejects(writeNodeRecords(nodes, { ...ACCESS, chap }), (error: Error) => {
      assert.equal((error as Error & { code?: string }).code, 'invalid');
      assert.ok(!error.message.includes('automatic'), 'the secret is not repeated');
      return true;
    });
    for (const iqn of ['../../tmp', 'iqn.2010-10.x/../..', 'IQN.2010-10.org', ''])
      await assert.rejects(writeNodeRecords(nodes, { ...ACCESS, iqn }), invalid);
    await assert.rejects(readdir(nodes), { code: 'ENOENT' });
  });
});
