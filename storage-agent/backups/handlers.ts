import type { Handlers } from '#agent/handlers.ts';
import { TaskError } from '#schema/tasks.ts';
import { type Backend, GIB, type InUse } from '../backends/backend.ts';
import { contentOfBackup } from './content.ts';
import type { BackupStore } from './store.ts';

interface Deps {
  readonly backendOf: (name: string) => Backend;
  readonly inUse: InUse;
  /** Makes sure that nobody has the volume. @throws TaskError `refused` */
  readonly closed: (volumeId: string) => Promise<void>;
  /** @throws TaskError `refused` where there is none. */
  readonly storeOf: () => BackupStore;
}

type BackupTask = 'backup.ensure' | 'backup.absent' | 'backup.find' | 'backup.restore';

export function backupHandlers({
  backendOf,
  inUse,
  closed,
  storeOf,
}: Deps): Pick<Handlers<'storage'>, BackupTask> {
  return {
    async 'backup.ensure'({ volumeId, backend, snapshotId, sizeGib, ...data }, { signal }) {
      const store = storeOf();
      const save = async (path: string, sizeBytes: number): Promise<number> => {
        if (sizeBytes < sizeGib * GIB)
          throw new TaskError('invalid', 'the volume is smaller than it should be');
        return store.ensure(data, { path, sizeBytes }, signal);
      };
      if (snapshotId !== null) return { objects: await backendOf(backend).readSnapshot(snapshotId, save) };
      const used = await inUse(volumeId);
      const objects = await backendOf(backend).read(volumeId, inUse, save);
      // One that nobody had was read as it lay there: now somebody may have written to it meanwhile.
      if (!used && (await inUse(volumeId))) {
        await store.absent(data, signal);
        throw new TaskError('failed', 'the volume came into use while it was backed up');
      }
      return { objects };
    },
    async 'backup.absent'(data, { signal }) {
      await storeOf().absent(data, signal);
      return {};
    },
    async 'backup.find'({ sizeGib, ...data }, { signal }) {
      const { sizeBytes } = await storeOf().find(data, signal);
      if (sizeBytes < sizeGib * GIB)
        throw new TaskError('invalid', 'the backup’s data are fewer than its record says');
      return {};
    },
    async 'backup.restore'({ volumeId, backend, sizeGib, ...data }, { signal }) {
      const store = storeOf();
      await closed(volumeId);
      const image = contentOfBackup(store, data, signal);
      await backendOf(backend).rewrite(volumeId, sizeGib * GIB, { kind: 'image', image });
      return {};
    },
  };
}
