import { existsSync, readFileSync, renameSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { TaskError } from '#schema/tasks.ts';

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
  | 'conductor.turned'
  | 'conductor.ended';

/** What is in the file of a point at which the next process is not stopped, but fails for good. */
export const FAILS = 'fails';

/** Only tests set it. A file `point` or `point@about` in there arms that point for the next process that comes by. */
const folder = process.env['BLOCKYARD_STOPPING_POINTS'];

/**
 * Does nothing unless a test has armed this point: then it says so, by renaming the file to `point@about.PID`, and waits
 * until that file is removed; or fails, where the test wants that: nothing real makes every task fail behind its effect.
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
  const armed = join(folder, name);
  const reached = `${armed}.${process.pid}`;
  let fails: boolean;
  try {
    // Once it is renamed the test may remove it at any moment.
    fails = readFileSync(armed, 'utf8') === FAILS;
    renameSync(armed, reached);
  } catch {
    return undefined;
  }
  if (fails) {
    rmSync(reached);
    return Promise.reject(new TaskError('invalid', `a test has made this fail at ${name}`));
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
