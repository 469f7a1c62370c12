import { constants } from 'node:fs';
import { copyFile as cloneFile, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { TaskError } from '#schema/tasks.ts';
import { copyDeadlineMs } from '../deadline.ts';
import { errnoOf, withReason } from '../errno.ts';
import { growFile, OPEN } from './files.ts';

/** What file systems without shared blocks answer. */
const CANNOT_CLONE = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'];

/**
 * Copies a file to a new one, durably: in one go where the file system shares blocks (FICLONE), otherwise hole by hole.
 * @param inUse whether somebody may write to the source; then a copy that is not made in one go counts only when nobody did.
 * @throws TaskError `refused` when there was always somebody who did.
 */
export async function copyFile(
  runner: Runner,
  from: string,
  to: string,
  inUse: () => Promise<boolean>,
): Promise<void> {
  await withReason(async () => {
    // Nothing but a file that belongs there is ever copied.
    await using source = await open(from, OPEN);
    const size = await growFile(source, 0);
    if (!(await clone(from, to))) {
      await quietCopy(from, inUse, () => sparseCopy(runner, from, to, size));
    }
    await using copy = await open(to, OPEN);
    await copy.chmod(0o600);
    await copy.sync();
  });
}

/** How often a copy is made until nobody has written meanwhile, and how long a pause between two writes is waited for. */
const TRIES = 8;
const PAUSE_WITHIN_MS = 10_000;
/** A file's time goes in steps of the kernel's clock (at most 10 ms): of two writes in one step only the first shows. */
const STEP_MS = 50;

/**
 * A copy of what somebody may write to is what was there at one moment if the file's time of modification has stood still: each
 * write sets it before any of its data are seen.
 */
async function quietCopy(
  from: string,
  inUse: () => Promise<boolean>,
  copy: () => Promise<void>,
): Promise<void> {
  for (let left = TRIES; left > 0; left -= 1) {
    const before = (await inUse()) ? await pauseOf(from) : await modified(from);
    if (before === null) break;
    await copy();
    // Who came meanwhile may have written, too.
    if ((await modified(from)) === before) return;
  }
  throw new TaskError(
    'refused',
    'the volume is in use: on files it can be copied only while nobody writes to it for a moment (XFS and Btrfs have no such limit)',
  );
}

/** Waits until nobody has written for a moment; null when somebody always has. */
async function pauseOf(path: string): Promise<bigint | null> {
  let before = await modified(path);
  for (let waited = 0; waited < PAUSE_WITHIN_MS; waited += STEP_MS) {
    await sleep(STEP_MS);
    const time = await modified(path);
    if (time === before) return time;
    before = time;
  }
  return null;
}

async function modified(path: string): Promise<bigint> {
  return (await stat(path, { bigint: true })).mtimeNs;
}

async function clone(from: string, to: string): Promise<boolean> {
  try {
    await cloneFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (CANNOT_CLONE.includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

async function sparseCopy(runner: Runner, from: string, to: string, sizeBytes: number): Promise<void> {
  try {
    // It ends with the agent: nobody else must write to what a later run makes anew.
    const args = ['--pdeathsig', 'KILL', 'cp', '--reflink=never', '--sparse=always', '--', from, to];
    await runner.run('setpriv', args, { timeoutMs: copyDeadlineMs(sizeBytes) });
  } catch (error) {
    if (error instanceof ProgramError && /No space left on device/.test(error.failure.stderr))
      throw new TaskError('refused', 'no space left on this backend');
    throw error;
  }
}
