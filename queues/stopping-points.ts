import { existsSync, renameSync, watch } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

/**
 * Named places at which the fault tests stop a process to kill it, or something else, at exactly that instruction.
 * In the order in which an operation passes them; those of a handler come between `journaled` and `effected`.
 */
export type StoppingPoint =
  | 'api.writing'
  | 'api.committed'
  | 'conductor.picked'
  | 'conductor.claimed'
  | 'conductor.dispatched'
  | 'agent.received'
  | 'agent.journaled'
  | 'attach.connected'
  | 'detach.unconfigured'
  | 'detach.requested'
  | 'detach.unplugged'
  | 'evict.unconfigured'
  | 'evict.taken'
  | 'server.connected'
  | 'server.defined'
  | 'server.off'
  | 'tune.live'
  | 'resize.seen'
  | 'power.marked'
  | 'volume.allocated'
  | 'copy.begun'
  | 'copy.whole'
  | 'replace.swapping'
  | 'image.fetching'
  | 'upload.sending'
  | 'absent.unexported'
  | 'absent.removed'
  | 'grow.grown'
  | 'export.created'
  | 'export.locked'
  | 'export.emptied'
  | 'agent.effected'
  | 'conductor.answered'
  | 'conductor.ended';

/** Only tests set it. A file `point` or `point@about` in there arms that point for the next process that comes by. */
const folder = process.env['BLOCKYARD_STOPPING_POINTS'];

/**
 * Does nothing unless a test has armed this point: then it says so, by renaming the file to `point@about.PID`, and waits
 * until that file is removed.
 * @param about an operation's kind or a task's name, where a point is passed for several.
 */
export function reach(point: StoppingPoint, about?: string): Promise<void> | undefined {
  return folder === undefined ? undefined : stop(folder, about === undefined ? point : `${point}@${about}`);
}

/** Data that pass the point when their first part has gone through; the same stream where no test wants to know. */
export function reachWithin(data: Readable, point: StoppingPoint): Readable {
  if (folder === undefined) return data;
  async function* parts(): AsyncGenerator {
    let first = true;
    for await (const part of data) {
      yield part;
      if (first) await reach(point);
      first = false;
    }
  }
  return Readable.from(parts(), { objectMode: false });
}

function stop(folder: string, name: string): Promise<void> | undefined {
  const reached = join(folder, `${name}.${process.pid}`);
  try {
    renameSync(join(folder, name), reached);
  } catch {
    return undefined;
  }
  return new Promise((resolve) => {
    const look = (): void => {
      if (existsSync(reached)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(folder, look);
    // It may have been removed before we watched.
    look();
  });
}
