import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRunner } from '#agent/run.ts';
import type { ClearAcl } from '#storage-agent/targets/target.ts';
import { createTgtClient, type TgtClient } from '#storage-agent/targets/tgt/client.ts';
import { watchTgtd } from '#storage-agent/targets/tgt/incarnation.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { itIsATarget, type TargetFixture } from '../contract.ts';
import { qemuIo } from '../iscsi.ts';
import { type NumberedTarget, numbered } from '../numbered.ts';
import { IQN_PREFIX, startTgtFixture, type TgtFixture } from './fixture.ts';

const MIB = 1024 ** 2;
const SECRET = 'planted-secret-1';
const acl = (): ClearAcl => ({
  initiator: 'iqn.2010-10.org.blockyard:host:a',
  username: `user-${randomUUID()}`,
  secret: SECRET,
});

describe('tgt target', () => {
  let fixture: TgtFixture;
  let client: TgtClient;
  let target: NumberedTarget;
  let made: TargetFixture;
  before(async () => {
    fixture = await startTgtFixture();
    client = createTgtClient(fixture.socket);
    const bare = createTgtTarget({ client, portals: [fixture.tgtd.portal], iqnPrefix: IQN_PREFIX });
    target = numbered(bare);
    made = {
      target: bare,
      async makeDevice(volumeId, sizeBytes) {
        await fixture.backend.ensure(volumeId, sizeBytes);
        return fixture.backend.devicePath(volumeId);
      },
      growDevice: (_volumeId, path, sizeBytes) => truncate(path, sizeBytes),
    };
  });
  after(() => fixture[Symbol.asyncDispose]());

  describe('contract', () => itIsATarget(() => made));

  const make = async () => {
    const volume = randomUUID();
    return { volume, device: { path: await made.makeDevice(volume, 16 * MIB), discard: true } };
  };
  const tgtadm = async (...args: string[]): Promise<string> => {
    const env = { TGT_IPC_SOCKET: fixture.tgtd.socket };
    return (await systemRunner.run('tgtadm', ['--lld', 'iscsi', ...args], { env })).stdout;
  };
  const shown = async (volume: string) => (await client.targets()).find(({ name }) => name.endsWith(volume));

  it('gives a volume the same identity again after tgtd has started anew', async () => {
    const { volume, device } = await make();
    const other = await make();
    const a = acl();
    await target.ensure(other.volume, other.device, [acl()]);
    const connection = await target.ensure(volume, device, [a]);
    await qemuIo(connection, a, 'write -P 5 0 4k');
    const before = await shown(volume);
    await fixture.restart();
    assert.deepEqual(await target.list(), []);
    assert.deepEqual(await target.ensure(volume, device, [a]), connection);
    assert.deepEqual(await shown(volume), before);
    assert.equal(before?.luns[1]?.scsiSn, volume);
    assert.equal(before?.luns[1]?.scsiId, volume.replaceAll('-', ''));
    await qemuIo(connection, a, 'read -P 5 0 4k');
    await target.absent(volume);
  });

  it('notices that tgtd has started anew', async () => {
    const watched = watchTgtd(fixture.socket);
    const before = await watched.incarnation();
    assert.equal(await watched.incarnation(), before);
    const noticed = new Promise<void>((resolve) => watched.onRestart(resolve));
    await fixture.restart();
    await Promise.race([
      noticed,
      sleep(5_000, undefined, { ref: false }).then(() => assert.fail('not noticed')),
    ]);
    assert.notEqual(await watched.incarnation(), before);
    watched.close();
  });

  it('leaves targets alone that are not its own, whatever their name and number', async () => {
    const { volume, device } = await make();
    const tid = String((Number.parseInt(volume.slice(0, 7), 16) % 0xfff_ffff) + 1);
    const foreign = [`iqn.2001-04.com.example:volume-${volume}`, `${IQN_PREFIX}:volume-${volume}x`];
    await tgtadm('--mode', 'target', '--op', 'new', '--tid', tid, '--targetname', foreign[0] ?? '');
    await tgtadm('--mode', 'target', '--op', 'new', '--tid', '7', '--targetname', foreign[1] ?? '');
    await tgtadm('--mode', 'target', '--op', 'bind', '--tid', tid, '-I', 'ALL');
    const theirs = async () => (await client.targets()).filter(({ name }) => foreign.includes(name));
    const before = await theirs();
    assert.equal(before.length, 2);
    await target.ensure(volume, device, [acl()]);
    assert.deepEqual((await target.find(volume))?.initiators, [acl().initiator]);
    await target.absent(volume);
    assert.deepEqual(await theirs(), before);
    assert.equal(await target.find(volume), null);
    for (const each of [tid, '7']) await tgtadm('--mode', 'target', '--op', 'delete', '--tid', each);
  });

  it('takes back what somebody else has opened on an export', async () => {
    const { volume, device } = await make();
    const a = acl();
    await target.ensure(volume, device, [a]);
    const tid = String((await shown(volume))?.tid);
    await tgtadm('--mode', 'target', '--op', 'bind', '--tid', tid, '-I', 'ALL');
    await target.ensure(volume, device, [a]);
    assert.deepEqual((await shown(volume))?.initiators, [a.initiator]);
    await target.absent(volume);
  });

  it('refuses a CHAP user name that another target uses', async () => {
    const [one, two] = [await make(), await make()];
    const a = acl();
    const connection = await target.ensure(one.volume, one.device, [a]);
    await assert.rejects(target.ensure(two.volume, two.device, [{ ...a, secret: 'another-secret-1' }]), {
      code: 'refused',
    });
    await qemuIo(connection, a, 'length');
    await target.absent(one.volume);
    await target.absent(two.volume);
    assert.doesNotMatch(await tgtadm('--mode', 'account', '--op', 'show'), new RegExp(a.username));
  });

  it('repairs the accounts and their secrets after the agent has forgotten them', async () => {
    const { volume, device } = await make();
    const [a, b] = [acl(), { ...acl(), initiator: 'iqn.2010-10.org.blockyard:host:b' }];
    const connection = await target.ensure(volume, device, [a, b]);
    const anew = numbered(createTgtTarget({ client, portals: connection.portals, iqnPrefix: IQN_PREFIX }));
    const renewed = { ...a, secret: 'another-secret-1' };
    assert.deepEqual(await anew.ensure(volume, device, [renewed, b]), connection);
    await assert.rejects(qemuIo(connection, a, 'length'));
    await qemuIo(connection, renewed, 'length');
    await qemuIo(connection, b, 'length');
    await anew.absent(volume);
  });

  it('gives discarded blocks back', async () => {
    const { volume, device } = await make();
    const a = acl();
    const connection = await target.ensure(volume, device, [a]);
    await qemuIo(connection, a, 'write -P 1 0 8M', 'flush');
    const full = (await systemRunner.run('stat', ['-c', '%b', device.path])).stdout;
    await qemuIo(connection, a, 'discard 0 8M', 'flush');
    const empty = (await systemRunner.run('stat', ['-c', '%b', device.path])).stdout;
    assert.ok(Number(empty) < Number(full) / 2, `${empty.trim()} of ${full.trim()} blocks`);
    await target.absent(volume);
  });

  it('leaves no secret in tgtd’s log or in its own errors', async () => {
    const { volume, device } = await make();
    await target.ensure(volume, device, [acl()]);
    await target.absent(volume);
    const gone = numbered(
      createTgtTarget({
        client: createTgtClient(`${fixture.socket}-gone`),
        portals: ['127.0.0.1:1'],
        iqnPrefix: IQN_PREFIX,
      }),
    );
    await assert.rejects(
      gone.ensure(volume, device, [acl()]),
      (error: Error) => /does not listen/.test(error.message) && !String(error.stack).includes(SECRET),
    );
    await assert.rejects(
      target.ensure(volume, { ...device, path: '/nonexistent/device' }, [acl()]),
      (error: Error) => !String(error.stack).includes(SECRET),
    );
    await target.absent(volume);
    const log = await readFile(join(dirname(fixture.socket), 'tgtd.log'), 'utf8');
    assert.ok(log.length > 0);
    assert.ok(!log.includes(SECRET));
  });
});
