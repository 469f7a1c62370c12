import { constants } from 'node:fs';
import { copyFile as cloneFile, open } from 'node:fs/promises';
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
 * @param quiet throws when the source is being written; called before and after a copy that is not made in one go.
 */
export async function copyFile(
  runner: Runner,
  from: string,
  to: string,
  quiet: () => Promise<void>,
): Promise<void> {
  await withReason(async () => {
    // Nothing but a file that belongs there is ever copied.
    await using source = await open(from, OPEN);
    const size = await growFile(source, 0);
    if (!(await clone(from, to))) {
      await quiet();
      await sparseCopy(runner, from, to, size);
      await quiet();
    }
    await using copy = await open(to, OPEN);
    await copy.chmod(0o600);
    await copy.sync();
  });
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
