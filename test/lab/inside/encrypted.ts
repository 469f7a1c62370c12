/**
 * Encrypted volumes and backups on LVM, LIO and open-iscsi for real: run by test/lab/lvm.test.ts inside the storage node, as root. What
 * a storage agent is asked for, of volumes of 64 MiB; the kernel's initiator is on the same machine, and qemu-img opens the disk in QEMU's place.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCompanion } from '#agent/companion.ts';
import type { Handlers } from '#agent/handlers.ts';
import { ProgramError } from '#agent/program-error.ts';
import type { Connector } from '#compute-agent/connectors/connector.ts';
import { openIscsiConnector } from '#compute-agent/connectors/open-iscsi/connector.ts';
import { createSecrets } from '#queues/secrets.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { type Luks, luksHeaderBytes } from '#schema/luks.ts';
import { GIB } from '#storage-agent/backends/backend.ts';
import { openBackupStore } from '#storage-agent/backups/store.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { openImages } from '#storage-agent/images/open.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { startHelpers } from '#storage-agent/targets/lio/helpers.ts';
import { LIO_ROOT, prepareKernel } from '#storage-agent/targets/lio/prepare.ts';
import { createLioTarget } from '#storage-agent/targets/lio/target.ts';
import type { OpenTarget } from '#storage-agent/targets/target.ts';
import { type ImageDouble, startImageDouble } from '#test/storage-agent/images/double.ts';
import { type LabGroup, makeLabGroup } from './lvm-group.ts';

const MIB = 1024 ** 2;
const SIZE = 64 * MIB;
const sizeGib = SIZE / GIB;
const KEY = randomBytes(32).toString('hex');
const PORTAL = '127.0.0.1:13260';
const INITIATOR = 'iqn.2010-10.org.blockyard:host:inside';
const KINDS = ['lvm-thin', 'lvm'] as const;
const context = { requestId: 'req-test', signal: new AbortController().signal };

describe('encrypted volumes and backups on LVM', function () {
  // Each takes ten minutes where the lab's own machine is busy.
  this.timeout(30 * 60_000);
  this.slow(60_000);
  const secrets = createSecrets(KEY);
  let group: LabGroup;
  let service: ImageDouble;
  let lio: OpenTarget;
  let storage: Handlers<'storage'>;
  let connector: Connector;
  let store: string;
  before(async () => {
    group = await makeLabGroup();
    await group.run('modprobe', 'iscsi_tcp');
    await group.run('systemctl', 'start', 'iscsid.service');
    const dir = join(group.folder, 'connections');
    connector = openIscsiConnector({ runner: group.runner, dir, log: console.log });
    service = await startImageDouble(KEY);
    await prepareKernel(group.runner);
    const helpers = startHelpers({ start: systemCompanion, root: LIO_ROOT });
    const iqnPrefix = 'iqn.2010-10.org.blockyard.encrypted';
    lio = await createLioTarget({ helpers, root: LIO_ROOT, portals: [PORTAL], iqnPrefix });
    const images = openImages(
      {
        imageService: { url: service.url, account: null },
        imageDir: join(group.folder, 'images'),
        host: asId<HostName>('storage'),
        keys: KEY,
      },
      group.runner,
    );
    for (const name of ['store', 'host']) await mkdir(join(group.folder, name));
    const backups = openBackupStore({
      config: { place: join(group.folder, 'store'), password: 'a password that is long enough' },
      runner: group.runner,
      stateDir: join(group.folder, 'host'),
    });
    store = await backups.id();
    storage = createStorageHandlers({
      backends: new Map(
        await Promise.all(KINDS.map(async (kind) => [kind, await group.open(kind)] as const)),
      ),
      target: lio.target,
      secrets,
      disks: createDisks(createQemuImg(group.runner), join(group.folder, 'scratch')),
      ...(images !== undefined && { images }),
      backups,
    });
  });
  after(async () => {
    lio?.close();
    await service?.[Symbol.asyncDispose]();
    await group?.[Symbol.asyncDispose]();
  });
  afterEach(async function () {
    const left = await group.lvs('lv_name');
    if (this.currentTest?.state !== 'failed') assert.deepEqual(left, []);
    else for (const name of left) await group.run('lvremove', '-y', '-ff', `${group.name}/${name}`);
  });

  const deviceOf = (volumeId: string): string => group.path(`volume-${volumeId}`);
  const sealed = (volumeId: string, passphrase: string, how: Pick<Luks, 'cipher' | 'keyBits'>): Luks => ({
    ...how,
    secret: secrets.encrypt(passphrase, volumeId),
  });
  const CBC = { cipher: 'aes-cbc-essiv:sha256', keyBits: 256 } as const;
  const XTS = { cipher: 'aes-xts-plain64', keyBits: 512 } as const;

  /** qemu-img with the key, as QEMU opens a guest's disk; null: a disk in clear. */
  async function qemuImg(passphrase: string | null, path: string, args: readonly string[]): Promise<string> {
    const key = join(group.folder, 'key');
    await writeFile(key, passphrase ?? '');
    const driver = passphrase === null ? 'driver=raw' : 'driver=luks,key-secret=k';
    const at = `${driver},file.driver=host_device,file.filename=${path}`;
    const words = args.map((each) => each.replace('DISK', at));
    const [command = '', ...rest] = words;
    return group.run('qemu-img', command, '--object', `secret,id=k,file=${key}`, ...rest);
  }
  /** As a guest does, at the beginning of its disk. */
  async function guestWrites(device: string, passphrase: string | null, text: string): Promise<void> {
    const from = join(group.folder, 'written');
    await writeFile(from, text.padEnd(MIB, text));
    const args = ['-n', '-t', 'none', '-f', 'raw', '--target-image-opts', from, 'DISK'];
    await qemuImg(passphrase, device, ['convert', ...args]);
  }
  /** What a guest sees at the beginning; and whoever has the disk does not. */
  async function assertGuestReads(device: string, passphrase: string | null, text: string): Promise<void> {
    const to = join(group.folder, 'read');
    await rm(to, { force: true });
    const copied = ['bs=1M', 'count=1', 'if=DISK', `of=${to}`];
    await qemuImg(passphrase, device, ['dd', '--image-opts', '-O', 'raw', ...copied]);
    assert.ok((await readFile(to)).equals(Buffer.from(text.padEnd(MIB, text))), `${device} holds ${text}`);
    if (passphrase !== null) await assertUnreadable(device, text);
  }
  async function assertUnreadable(path: string, ...texts: readonly string[]): Promise<void> {
    await group.run('sync');
    const found = group.run('grep', '-c', ...texts.flatMap((text) => ['-e', text]), path);
    await assert.rejects(found, (error) => error instanceof ProgramError && error.failure.exitCode === 1);
  }
  /** Bytes of the disk that a guest sees. */
  async function insideOf(device: string, passphrase: string): Promise<number> {
    const shown = await qemuImg(passphrase, device, ['info', '--output=json', '--image-opts', 'DISK']);
    return (JSON.parse(shown) as { 'virtual-size': number })['virtual-size'];
  }
  /** Exports the volume, and makes it a disk of this machine for as long as `work` runs. */
  async function attached<T>(
    volume: { readonly volumeId: string; readonly backend: string },
    work: (device: string) => Promise<T>,
  ): Promise<T> {
    const { volumeId } = volume;
    const [username, secret] = ['user', 'planted-secret-1'];
    const acl = { initiator: INITIATOR, chap: { username, secret: secrets.encrypt(secret, volumeId) } };
    const exported = { ...volume, number: 600_000 };
    const { connection } = await storage['export.ensure']({ ...exported, acls: [acl] }, context);
    assert.ok(connection);
    const chap = { username, secret };
    const disk = await connector.connect({ volumeId, connection, initiator: INITIATOR, chap });
    try {
      return await work(disk.type === 'block' ? disk.dev : '');
    } finally {
      await connector.disconnect(volumeId, connection);
      await storage['export.ensure']({ ...exported, acls: [] }, context);
    }
  }
  const assertSame = (one: string, other: string) =>
    group.run('cmp', '-n', String(SIZE), group.path(one), group.path(other));
  async function imageOf(text: string) {
    const id = randomUUID();
    service.data.set(id, Buffer.from(text.padEnd(MIB, text)));
    return { kind: 'image' as const, image: service.source(id, 'raw') };
  }
  async function gone(backend: string, ...volumes: readonly string[]): Promise<void> {
    for (const volumeId of volumes) await storage['volume.absent']({ volumeId, backend }, context);
  }

  it('thin: an image is encrypted; a guest’s disk, snapshots, copies and growth keep to the key, until the volume gets another, and none', async () => {
    const [volumeId, snapshotId] = [randomUUID(), randomUUID()];
    const [clone, old] = [randomUUID(), randomUUID()];
    const [image, written] = [randomUUID(), randomUUID()];
    const backend = 'lvm-thin';
    const volume = { volumeId, backend };
    const here = deviceOf(volumeId);
    const luks = sealed(volumeId, 'the key', XTS);
    await storage['volume.ensure']({ ...volume, sizeGib, source: await imageOf(image), luks }, context);
    const source = { kind: 'snapshot' as const, snapshotId, volumeId };
    await storage['snapshot.ensure']({ ...volume, snapshotId }, context);
    const copy = { volumeId: clone, backend };
    await attached(volume, async (device) => {
      await assertGuestReads(device, 'the key', image);
      await guestWrites(device, 'the key', written);
      const from = { kind: 'volume' as const, volumeId };
      await storage['volume.ensure']({ ...copy, sizeGib, source: from }, context);
    });
    await assertSame(`volume-${clone}`, `volume-${volumeId}`);
    await attached(copy, async (device) => {
      await storage['volume.grow']({ ...copy, sizeGib: 2 * sizeGib }, context);
      await connector.grown(clone);
      assert.equal(await insideOf(device, 'the key'), 2 * SIZE - luksHeaderBytes(XTS));
      await assertGuestReads(device, 'the key', written);
    });
    await storage['volume.ensure']({ volumeId: old, backend, sizeGib, source }, context);
    await storage['volume.rewrite']({ ...volume, sizeGib, source }, context);
    await assertSame(`volume-${volumeId}`, `volume-${old}`);
    await assertGuestReads(here, 'the key', image);
    await storage['storage.remove']({ backend, kind: 'deleting', id: volumeId }, context);
    await storage['snapshot.absent']({ ...volume, snapshotId }, context);
    await gone(backend, clone, old);
    await assertUnreadable(group.file, image, written);

    const retyped = async (how: { readonly was: Luks; readonly luks?: Luks }): Promise<void> => {
      await storage['volume.stage']({ ...volume, sizeGib, ...how }, context);
      await storage['volume.replace'](volume, context);
      await storage['storage.remove']({ backend, kind: 'deleting', id: volumeId }, context);
      assert.deepEqual(await group.lvs('lv_name'), [`volume-${volumeId}`]);
    };
    const other = sealed(volumeId, 'the other key', CBC);
    await retyped({ was: luks, luks: other });
    await assertGuestReads(here, 'the other key', image);
    await retyped({ was: other });
    await assertGuestReads(here, null, image);
    await gone(backend, volumeId);
    assert.deepEqual(await readdir(join(group.folder, 'scratch')), [], 'no passphrase, nothing in clear');
  });

  const data = (repository: string, dataId: string) => ({ store, repository, dataId });

  it('thick: an encrypted volume is backed up, restored to a thin one and over both, although it has a snapshot', async () => {
    const [volumeId, snapshotId, restored] = [randomUUID(), randomUUID(), randomUUID()];
    const [older, newer] = [randomUUID(), randomUUID()];
    const texts = [randomUUID(), randomUUID(), randomUUID()] as const;
    const volume = { volumeId, backend: 'lvm' };
    const [here, there] = [deviceOf(volumeId), deviceOf(restored)];
    const luks = sealed(volumeId, 'the key', XTS);
    await storage['volume.ensure']({ ...volume, sizeGib, luks }, context);
    await guestWrites(here, 'the key', texts[0]);
    await storage['snapshot.ensure']({ ...volume, snapshotId }, context);
    const [first, second] = [
      { ...volume, ...data(volumeId, older), sizeGib },
      { ...volume, ...data(volumeId, newer), sizeGib },
    ];
    await guestWrites(here, 'the key', texts[2]);
    const full = await storage['backup.ensure']({ ...first, snapshotId }, context);
    await attached(volume, async (device) => {
      await guestWrites(device, 'the key', texts[1]);
      const more = await storage['backup.ensure']({ ...second, snapshotId: null }, context);
      assert.ok(more.objects > 0 && more.objects <= full.objects, `${more.objects} after ${full.objects}`);
      await assert.rejects(storage['backup.restore'](second, context), {
        code: 'refused',
        message: /exported/,
      });
    });
    await guestWrites(here, 'the key', texts[2]);

    const thin = { volumeId: restored, backend: 'lvm-thin', sizeGib };
    const source = { kind: 'backup' as const, backupId: older, ...data(volumeId, older) };
    await storage['volume.ensure']({ ...thin, source }, context);
    await assertGuestReads(there, 'the key', texts[0]);
    await storage['backup.restore'](second, context);
    await assertGuestReads(here, 'the key', texts[1]);
    await assertSame(`_snapshot-${snapshotId}`, `volume-${restored}`);
    await storage['backup.restore']({ ...thin, ...data(volumeId, newer) }, context);
    await assertSame(`volume-${restored}`, `volume-${volumeId}`);
    await storage['snapshot.absent']({ ...volume, snapshotId }, context);
    await gone('lvm', volumeId);
    await gone('lvm-thin', restored);
  });
});
