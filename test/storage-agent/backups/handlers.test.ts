import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Handlers } from '#agent/handlers.ts';
import { systemRunner } from '#agent/run.ts';
import { GIB } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { openBackupStore } from '#storage-agent/backups/store.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { createNoTarget } from '#storage-agent/targets/none.ts';

const MIB = 1024 ** 2;
const context = { requestId: 'req-test', signal: new AbortController().signal };

describe('backups of volumes on files', function () {
  this.timeout(300_000);
  const backend = 'files';
  const volume = randomUUID();
  const place = { volumeId: volume, backend };
  let folder: string;
  let store: string;
  let handlers: Handlers<'storage'>;
  const pathOf = (volumeId: string): string => join(folder, 'volumes', `volume-${volumeId}`);
  const dataOf = (dataId: string) => ({ store, repository: volume, dataId });
  const deps = async () => ({
    backends: new Map([[backend, await createFileBackend(join(folder, 'volumes'), systemRunner)]]),
    target: createNoTarget([], 'iqn.2010-10.org.blockyard'),
    secrets: { decrypt: (text: string) => text },
    disks: createDisks(createQemuImg(systemRunner), folder),
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-backups-'));
    for (const name of ['store', 'host']) await mkdir(join(folder, name));
    const backups = openBackupStore({
      config: { place: join(folder, 'store'), password: 'a password that is long enough' },
      runner: systemRunner,
      stateDir: join(folder, 'host'),
    });
    store = await backups.id();
    handlers = createStorageHandlers({ ...(await deps()), backups });
    await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const write = async (volumeId: string, at: number): Promise<void> => {
    await using file = await open(pathOf(volumeId), 'r+');
    await file.write(randomBytes(MIB), 0, MIB, at);
  };
  /** The first GiB of both. */
  const assertSame = (one: string, other: string) =>
    systemRunner.run('cmp', ['-n', String(GIB), one, other], { timeoutMs: 60_000 });

  it('are of a snapshot as it was, and restored to a new volume, sparsely', async () => {
    const [snapshotId, dataId, made] = [randomUUID(), randomUUID(), randomUUID()];
    await write(volume, 5 * MIB);
    await handlers['snapshot.ensure']({ ...place, snapshotId }, context);
    await write(volume, 5 * MIB);
    await handlers['backup.ensure']({ ...place, ...dataOf(dataId), snapshotId, sizeGib: 1 }, context);
    await handlers['backup.find']({ ...dataOf(dataId), sizeGib: 1 }, context);
    await assert.rejects(handlers['backup.find']({ ...dataOf(dataId), sizeGib: 2 }, context), /fewer than/);
    const source = { kind: 'backup' as const, backupId: dataId, ...dataOf(dataId) };
    const wanted = { volumeId: made, backend, sizeGib: 1, source };
    assert.deepEqual(await handlers['volume.ensure'](wanted, context), { sizeBytes: GIB });
    await assertSame(pathOf(made), join(folder, 'volumes', `snapshot-${snapshotId}`));
    assert.ok((await stat(pathOf(made))).blocks * 512 < 3 * MIB);
  });

  it('are restored over a larger volume, with zeroes behind', async () => {
    const [larger, dataId] = [randomUUID(), randomUUID()];
    await handlers['volume.ensure']({ volumeId: larger, backend, sizeGib: 2 }, context);
    await write(larger, GIB + MIB);
    await handlers['backup.ensure']({ ...place, ...dataOf(dataId), snapshotId: null, sizeGib: 1 }, context);
    await handlers['backup.restore']({ volumeId: larger, backend, ...dataOf(dataId), sizeGib: 2 }, context);
    await assertSame(pathOf(larger), pathOf(volume));
    const { size, blocks } = await stat(pathOf(larger));
    assert.equal(size, 2 * GIB);
    assert.ok(blocks * 512 < 3 * MIB);
  });

  it('leave a volume as it is when they cannot be restored', async () => {
    const before = await stat(pathOf(volume));
    const input = { ...place, ...dataOf(randomUUID()), sizeGib: 1 };
    await assert.rejects(handlers['backup.restore'](input, context), /not in the store/);
    assert.equal((await stat(pathOf(volume))).mtimeMs, before.mtimeMs);
  });

  it('are refused where there is no store', async () => {
    const without = createStorageHandlers(await deps());
    await assert.rejects(
      without['backup.absent'](dataOf(randomUUID()), context),
      /BLOCKYARD_BACKUP_REPOSITORY/,
    );
  });
});
