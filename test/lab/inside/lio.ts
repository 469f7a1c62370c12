/**
 * LIO for real: run by test/lab/lio.test.ts inside the storage node, as root.
 * `LIO_THIN_POOL` is `<volume group>/<thin pool>`.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCompanion } from '#agent/companion.ts';
import { systemRunner } from '#agent/run.ts';
import { type Helpers, startHelpers } from '#storage-agent/targets/lio/helpers.ts';
import { LIO_ROOT, prepareKernel } from '#storage-agent/targets/lio/prepare.ts';
import { createLioTarget } from '#storage-agent/targets/lio/target.ts';
import { openTree } from '#storage-agent/targets/lio/tree.ts';
import type { ClearAcl, OpenTarget } from '#storage-agent/targets/target.ts';
import { itIsATarget } from '#test/storage-agent/targets/contract.ts';
import { holdSession, qemuIo } from '#test/storage-agent/targets/iscsi.ts';
import { itSurvivesCrashes } from '#test/storage-agent/targets/lio/cut-points.ts';
import { type NumberedTarget, numbered, numberOf } from '#test/storage-agent/targets/numbered.ts';

const MIB = 1024 ** 2;
const PORTALS = ['127.0.0.1:13260', '[::1]:13260'];
const IQN_PREFIX = 'iqn.2010-10.org.blockyard.test';
const POOL = process.env['LIO_THIN_POOL'] ?? 'blockyard/pool';
const [GROUP = ''] = POOL.split('/');

const acl = (name = 'a'): ClearAcl => ({
  initiator: `iqn.2010-10.org.blockyard:host:${name}`,
  username: `user-${randomUUID()}`,
  secret: randomUUID().slice(0, 16),
});
const run = async (program: string, ...args: string[]): Promise<string> =>
  (await systemRunner.run(program, args)).stdout.trim();

/** One process for several commands: each start takes seconds. */
const targetcli = async (...commands: string[]): Promise<void> => {
  await systemRunner.run('targetcli', [], { input: `${commands.join('\n')}\nexit\n`, timeoutMs: 60_000 });
};

describe('LIO in the kernel', function () {
  this.timeout(300_000);
  this.slow(10_000);
  const tree = openTree(LIO_ROOT);
  const loops = new Map<string, string>();
  const volumes: string[] = [];
  let folder: string;
  let helpers: Helpers;
  let opened: OpenTarget;
  let target: NumberedTarget;

  const makeLoop = async (name: string, sizeBytes: number): Promise<string> => {
    const file = join(folder, name);
    await using handle = await open(file, 'w');
    await handle.truncate(sizeBytes);
    const device = await run('losetup', '--find', '--show', '--direct-io=off', file);
    loops.set(device, file);
    return device;
  };
  const growLoop = async (_volume: string, device: string, sizeBytes: number): Promise<void> => {
    await truncate(loops.get(device) ?? '', sizeBytes);
    await run('losetup', '--set-capacity', device);
  };
  const makeThin = async (): Promise<{ volume: string; device: { path: string; discard: boolean } }> => {
    const volume = randomUUID();
    await run('lvcreate', '-q', '-y', '-Wn', '-V', '256m', '-T', POOL, '-n', `volume-${volume}`);
    volumes.push(volume);
    return { volume, device: { path: `/dev/${GROUP}/volume-${volume}`, discard: true } };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-lio-'));
    await run('modprobe', 'loop');
    await prepareKernel(systemRunner);
    helpers = startHelpers({ start: systemCompanion, root: LIO_ROOT });
    opened = await createLioTarget({ helpers, root: LIO_ROOT, portals: PORTALS, iqnPrefix: IQN_PREFIX });
    target = numbered(opened.target);
  });
  after(async () => {
    opened.close();
    for (const device of loops.keys()) await run('losetup', '--detach', device);
    for (const volume of volumes) await run('lvremove', '-q', '-y', `${GROUP}/volume-${volume}`);
    await rm(folder, { recursive: true });
  });

  describe('contract', () =>
    itIsATarget(() => ({
      target: opened.target,
      makeDevice: makeLoop,
      growDevice: growLoop,
      // LIO writes past the page cache in which the device may have been read before.
      dataOf: (device) => loops.get(device) ?? device,
      blocks: 500,
      many: 8,
    })));

  describe('crashing at every step', () => {
    let devices: string[];
    let next = 0;
    before(async () => {
      devices = await Promise.all([1, 2, 3].map((n) => makeLoop(`cut-${n}`, 4 * MIB)));
    });
    itSurvivesCrashes(() => ({
      tree,
      portals: PORTALS,
      device: () => devices[(next += 1) % devices.length] ?? '',
      stride: 5,
    }));
  });

  it('serves IPv4 and IPv6, and shows initiators only what they may log in to', async () => {
    const { volume, device } = await makeThin();
    const a = acl();
    const connection = await target.ensure(volume, device, [a]);
    for (const portal of PORTALS)
      assert.match(await qemuIo({ ...connection, portals: [portal] }, a, 'length'), /256 MiB/);
    await target.absent(volume);
  });

  it('knows an initiator however its name is spelled', async () => {
    const { volume, device } = await makeThin();
    const a = acl('Host-A');
    const connection = await target.ensure(volume, device, [a]);
    const { initiators = [] } = (await target.find(volume)) ?? {};
    assert.deepEqual(initiators, [a.initiator.toLowerCase()]);
    await qemuIo(connection, a, 'length');
    await qemuIo(connection, { ...a, initiator: a.initiator.toLowerCase() }, 'length');
    await target.absent(volume);
  });

  it('gives a volume the same identity again, and targetcli shows what it should', async () => {
    const { volume, device } = await makeThin();
    const a = acl();
    const dir = `core/iblock_${1_000_000 + numberOf(volume)}/volume-${volume}`;
    const identity = (): (string | null)[] =>
      ['vpd_unit_serial', 'vpd_assoc_logical_unit', 'vendor_id', 'product_id'].map((name) =>
        tree.read(`${dir}/wwn/${name}`),
      );
    const connection = await target.ensure(volume, device, [a]);
    const before = identity();
    assert.equal(before[0], `T10 VPD Unit Serial Number: ${volume}`);
    const shown = await run('targetcli', 'ls');
    const squeezed = shown.replaceAll(/[ .|]+/g, ' ');
    assert.match(
      squeezed,
      new RegExp(`volume-${volume} \\[${device.path} \\(256 0MiB\\) write-thru activated\\]`),
    );
    assert.match(squeezed, new RegExp(`o- ${connection.iqn} \\[TPGs: 1\\]`));
    assert.match(squeezed, /o- tpg1 \[no-gen-acls, auth per-acl\]/);
    assert.match(squeezed, /o- acls \[ACLs: 1\]/);
    assert.match(
      squeezed,
      new RegExp(`o- ${a.initiator.replaceAll('.', ' ')} \\[1-way auth, Mapped LUNs: 1\\]`),
    );
    assert.match(squeezed, /o- mapped_lun0 \[lun0 block\/volume-\S+ \(rw\)\]/);
    assert.match(squeezed, /o- portals \[Portals: 2\]/);
    await target.absent(volume);
    assert.deepEqual(await target.ensure(volume, device, [a]), connection);
    assert.deepEqual(identity(), before);
    await target.absent(volume);
  });

  it('passes discard to the thin pool', async () => {
    const { volume, device } = await makeThin();
    const a = acl();
    const used = async (): Promise<number> =>
      Number(await run('lvs', '--noheadings', '-o', 'data_percent', `${GROUP}/volume-${volume}`));
    const connection = await target.ensure(volume, device, [a]);
    await qemuIo(connection, a, 'write -P 1 0 32M', 'flush');
    assert.ok((await used()) > 12);
    await qemuIo(connection, a, 'discard 0 32M', 'flush');
    assert.ok((await used()) < 2, `${await used()} % are still used`);
    await target.absent(volume);
  });

  it('shows growth to a session that stays', async () => {
    const { volume, device } = await makeThin();
    const a = acl();
    const connection = await target.ensure(volume, device, [a]);
    const held = await holdSession(connection, a);
    const session = (): string | undefined =>
      /^LIO Session ID: \d+/m.exec(
        tree.read(`iscsi/${connection.iqn}/tpgt_1/acls/${a.initiator}/info`) ?? '',
      )?.[0];
    try {
      const before = session();
      assert.notEqual(before, undefined);
      await run('lvextend', '-q', '-L', '512m', device.path);
      await target.grown(volume, device, 512 * MIB);
      await held.say('truncate 512M');
      assert.match(await held.say('write -P 7 511M 1M'), /wrote 1048576\/1048576/);
      assert.equal(session(), before);
    } finally {
      await held.end();
    }
    await target.absent(volume);
  });

  it('leaves targets alone that are not its own', async () => {
    const foreign = await makeLoop('foreign', 4 * MIB);
    const iqn = 'iqn.2001-04.com.example:foreign';
    await targetcli(
      `/backstores/block create name=foreign dev=${foreign}`,
      `/iscsi create ${iqn}`,
      `/iscsi/${iqn}/tpg1/luns create /backstores/block/foreign`,
    );
    const theirs = async (): Promise<Set<string>> =>
      new Set(
        (await run('find', `${LIO_ROOT}/iscsi/${iqn}`, '-printf', '%p -> %l\n'))
          .split('\n')
          .map((line) => line.trim()),
      );
    const before = await theirs();
    assert.match([...before].join('\n'), /\/lun_0\/\S+ -> \S+\/foreign$/m);
    const { volume, device } = await makeThin();
    await target.ensure(volume, device, [acl()]);
    assert.deepEqual(
      (await target.list()).map(({ volumeId }) => volumeId),
      [volume],
    );
    await target.absent(volume);
    assert.deepEqual(await theirs(), before);
    await targetcli(`/iscsi delete ${iqn}`, '/backstores/block delete foreign');
  });

  it('notices that somebody else has removed its exports', async () => {
    const { volume, device } = await makeThin();
    const { iqn } = await target.ensure(volume, device, [acl()]);
    const before = await opened.incarnation();
    assert.match(before, new RegExp((await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()));
    assert.equal(await opened.incarnation(), before);
    const noticed = new Promise<void>((resolve) => opened.onRestart(resolve));
    await targetcli(`/iscsi delete ${iqn}`, `/backstores/block delete volume-${volume}`);
    await Promise.race([
      noticed,
      sleep(10_000, undefined, { ref: false }).then(() => assert.fail('not noticed')),
    ]);
    const after = await opened.incarnation();
    assert.notEqual(after, before);
    await target.ensure(volume, device, [acl()]);
    assert.equal(await opened.incarnation(), after);
    await target.absent(volume);
    assert.equal(await opened.incarnation(), after);
  });

  it('says that another program has the portal', async () => {
    const { volume, device } = await makeThin();
    const server = createServer().listen(13_261, '127.0.0.1');
    await once(server, 'listening');
    const portals = ['127.0.0.1:13261'];
    const busy = await createLioTarget({ helpers, root: LIO_ROOT, portals, iqnPrefix: IQN_PREFIX });
    await assert.rejects(busy.target.ensure(volume, device, [acl()], numberOf(volume)), {
      message: 'the kernel cannot listen on portal 127.0.0.1:13261: does another program?',
    });
    server.close();
    await target.absent(volume);
  });

  it('says that the device is in use', async () => {
    const [one, two] = [await makeThin(), await makeThin()];
    await target.ensure(one.volume, one.device, [acl()]);
    await assert.rejects(target.ensure(two.volume, one.device, [acl()]), /is in use by something else/);
    await target.absent(two.volume);
    await target.absent(one.volume);
  });

  it('tells no secret to the kernel’s log', async () => {
    const { volume, device } = await makeThin();
    const a = acl();
    await target.ensure(volume, device, [a]);
    await target.ensure(volume, device, [{ ...a, secret: 'another-secret-1' }]);
    await target.absent(volume);
    const log = await run('dmesg');
    assert.ok(!log.includes(a.secret));
    assert.ok(!log.includes('another-secret-1'));
  });

  it('leaves nothing behind', () => {
    assert.deepEqual(
      tree.list('core').filter((name) => name.startsWith('iblock_1')),
      [],
    );
    assert.deepEqual(
      tree.list('iscsi').filter((name) => name.startsWith(IQN_PREFIX)),
      [],
    );
  });
});
