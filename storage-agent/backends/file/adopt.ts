import { link, lstat, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TaskError } from '#schema/tasks.ts';
import { type Kind, readName } from '../../names.ts';
import { errnoOf } from '../errno.ts';
import { assertFit } from '../fit.ts';
import { exists, growFile, OPEN, syncFolder } from './files.ts';
import { itemAt } from './items.ts';
import { whoHasOpen } from './open-by.ts';

/**
 * Gives the file of this name another and at least this size.
 * @returns its true size. @throws TaskError `not-found`, `refused`, `invalid`
 */
export async function adoptFile(
  folder: string,
  from: string,
  to: string,
  sizeBytes: number,
  kind: Kind = 'volume',
): Promise<number> {
  assertFileName(from, kind);
  const path = join(folder, to);
  // With two names it is half-way: a crash came between.
  if (!(await exists(path)) || (await sameFile(join(folder, from), path))) {
    const item = await itemAt(folder, from);
    const half = item !== null && (await exists(path));
    assertFit(from, item === null ? undefined : half ? { ...item, unfit: null } : item, sizeBytes);
    const opener = await whoHasOpen(join(folder, from));
    if (opener !== null) throw new TaskError('refused', `${opener} has ${from} open`);
    await renameWithoutReplacing(folder, from, to);
  }
  await using file = await open(path, OPEN);
  await file.chmod(0o600);
  return await growFile(file, sizeBytes);
}

/** Gives a volume's file a name by which nobody takes it for ours. @throws TaskError `refused`, `not-found` unless it has one of the two */
export async function releaseFile(folder: string, from: string, to: string): Promise<void> {
  assertFileName(to);
  const opener = await whoHasOpen(join(folder, from));
  if (opener !== null) throw new TaskError('refused', `${opener} has ${from} open`);
  if (await exists(join(folder, from))) await renameWithoutReplacing(folder, from, to);
  else if (!(await exists(join(folder, to))))
    throw new TaskError('not-found', `there is neither ${from} nor ${to}`);
}

/** rename(2) would replace what has the name; a link does not. A crash in between leaves one file with two names. */
async function renameWithoutReplacing(folder: string, from: string, to: string): Promise<void> {
  try {
    await link(join(folder, from), join(folder, to));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if (!(await sameFile(join(folder, from), join(folder, to))))
      throw new TaskError('refused', `the name ${to} is taken`);
  }
  await unlink(join(folder, from));
  await syncFolder(folder);
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => lstat(path).catch(() => null)));
  return a != null && b != null && a.ino === b.ino && a.dev === b.dev;
}

/** A name in the folder, and nothing that leads out of it. */
function assertFileName(name: string, wanted: Kind = 'volume'): void {
  if (!/^[^/\0]{1,200}$/.test(name) || name === '.' || name === '..')
    throw new TaskError('invalid', 'that is no name of a file');
  const kind = readName(name)?.kind;
  if (kind !== undefined && kind !== wanted)
    throw new TaskError('invalid', `that is the name of something that is no ${wanted}`);
}
