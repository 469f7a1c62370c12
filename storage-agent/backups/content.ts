import { TaskError } from '#schema/tasks.ts';
import type { ImageContent } from '../backends/backend.ts';
import { withReason } from '../backends/errno.ts';
import { writeRaw } from '../images/write-raw.ts';
import type { BackupStore, Data } from './store.ts';

/** A backup's data as what a volume is filled with: a disk from elsewhere, of which no backend keeps a copy. */
export function contentOfBackup(store: BackupStore, data: Data, signal: AbortSignal): ImageContent {
  return {
    id: data.dataId,
    digest: null,
    async open(atMostBytes, work) {
      const found = await store.find(data, signal);
      const { sizeBytes } = found;
      if (sizeBytes > atMostBytes) throw new TaskError('invalid', 'the backup is larger than the volume');
      return work({
        sizeBytes,
        dataBytes: Math.min(sizeBytes, await found.dataBytes()),
        writeTo: (path, zeroed) =>
          withReason(() => found.read(signal, (chunks) => writeRaw(chunks, path, { zeroed, durable: true }))),
      });
    },
  };
}
