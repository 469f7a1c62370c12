import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runner } from '#agent/run.ts';
import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';
import { copyDeadlineMs } from '../backends/deadline.ts';
import type { BackupConfig } from './config.ts';
import { createRestic, Locked, type Restic } from './restic.ts';
import { SharedLock } from './shared-lock.ts';

/** Where a backup's data are, as tasks say it. */
export interface Data {
  readonly store: string;
  readonly repository: string;
  readonly dataId: string;
}

/** A backup that is there whole. */
export interface Found {
  readonly sizeBytes: number;
  /** What it takes on a backend that stores no zeroes, about. */
  dataBytes(): Promise<number>;
  /** Its data from the beginning. @throws TaskError `invalid` when they are damaged, or not as many as they should be */
  read(signal: AbortSignal, consume: (data: AsyncIterable<Buffer>) => Promise<void>): Promise<void>;
}

interface Saved {
  readonly id: string;
  readonly sizeBytes: number;
}

/** All of this host's backups: one repository per volume, so that none is large, and none is locked for another's sake. */
export interface BackupStore {
  /** Tells the store from any other; the same on every host that has it. @throws Error while it cannot be reached */
  id(): Promise<string>;
  /** Backs a disk up; a backup that is there whole is left. @returns how many pieces it has or has added. */
  ensure(
    data: Data,
    disk: { readonly path: string; readonly sizeBytes: number },
    signal: AbortSignal,
  ): Promise<number>;
  /** @throws TaskError `not-found` */
  find(data: Data, signal?: AbortSignal): Promise<Found>;
  absent(data: Data, signal: AbortSignal): Promise<void>;
}

/** The repository that is nothing but the store's own mark. */
const MARK = 'blockyard-store';
/** Another host may hold a repository for as long as it prunes; one that died with it, for the half hour after which restic takes its lock away. */
const LOCKED_TRIES = 400;
const LOCKED_AGAIN_MS = 5_000;
/** Pruning reads and writes part of what is there; nobody knows how much. */
const PRUNE_MS = 6 * 3_600_000;

interface Parts {
  readonly config: BackupConfig;
  readonly runner: Runner;
  /** Remembers which store this host has had. */
  readonly stateDir: string;
  /** Milliseconds that saving this many bytes may take. Default: as long as copying them. */
  readonly saveWithinMs?: (sizeBytes: number) => number;
}

export function openBackupStore({
  config,
  runner,
  stateDir,
  saveWithinMs = copyDeadlineMs,
}: Parts): BackupStore {
  const restic = createRestic(runner, (name) => `${config.place}/${name}`, config);
  const locks = new Map<string, SharedLock>();
  let known: string | undefined;

  const lockOf = (repository: string): SharedLock => {
    const lock = locks.get(repository) ?? new SharedLock();
    locks.set(repository, lock);
    return lock;
  };
  /** @throws TaskError `refused` for the data of another store. */
  const repositoryOf = async ({ store, repository }: Data): Promise<string> => {
    if (!isUuid(repository)) throw new TaskError('invalid', 'the name of a repository must be a UUID');
    if (store !== (await id()))
      throw new TaskError('refused', 'the backup is in another store than this host’s');
    return `volume-${repository.toLowerCase()}`;
  };
  const id = async (): Promise<string> => {
    known ??= await identify(restic, config.place, stateDir);
    return known;
  };
  /** Also what only looks waits for a lock: who died while he pruned has left one that keeps everybody out. */
  const unlocked = async <T>(
    repository: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Locked) || tries >= LOCKED_TRIES) throw error;
        await restic.unlock(repository);
        // The first lock was that of somebody dead, most likely.
        if (tries > 0) await sleep(LOCKED_AGAIN_MS, undefined, signal && { signal });
      }
    }
  };
  /** restic's ids of what has the tag, and how many others there are; null when the repository is not there, although the store is. */
  const listOf = async (
    repository: string,
    tag: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly ids: string[]; readonly others: number } | null> => {
    const all = await unlocked(repository, signal, () => restic.list(repository));
    if (all === null) {
      if ((await restic.identity(MARK)) === known) return null;
      throw new Error('the backup store is not where it was (is it mounted?)');
    }
    const ids = all.filter(({ tags }) => tags.includes(tag)).map((each) => each.id);
    return { ids, others: all.length - ids.length };
  };
  const withSizes = async (
    repository: string,
    tag: string,
    signal: AbortSignal | undefined,
  ): Promise<Saved[]> => {
    const ids = (await listOf(repository, tag, signal))?.ids ?? [];
    return unlocked(repository, signal, () =>
      Promise.all(ids.map(async (each) => ({ id: each, sizeBytes: await restic.sizeOf(repository, each) }))),
    );
  };

  return {
    id,
    async ensure(data, { path, sizeBytes }, signal) {
      const repository = await repositoryOf(data);
      const lock = lockOf(repository);
      const tag = tagOf(data);
      const { ids: found, others } = await lock.alone(async () => {
        const listed = await listOf(repository, tag, signal);
        if (listed === null) await restic.init(repository);
        return listed ?? { ids: [], others: 0 };
      });
      // One that was cut short is made anew.
      const saved = found.length === 0 ? [] : await lock.shared(() => withSizes(repository, tag, signal));
      const whole = saved.find((each) => each.sizeBytes === sizeBytes);
      // A lock that is half an hour old counts as nobody's: whoever stood still for so long, or whose clock is wrong, may have been taken for dead,
      // and another host has then removed pieces that no backup had named yet. restic does not say so.
      // What is missing may also be what another host is removing just now: that is told only by asking once more when nobody is.
      const isWhole = async (): Promise<boolean> =>
        (await lock.shared(() => restic.isWhole(repository, false))) ||
        lock.alone(() => unlocked(repository, signal, () => restic.isWhole(repository, true)));
      if (whole !== undefined && (await isWhole())) return (await restic.pieces(repository, whole.id)).count;
      const discard = (ids: readonly string[]): Promise<void> =>
        lock.alone(() => unlocked(repository, signal, () => restic.remove(repository, ids, PRUNE_MS)));
      if (found.length > 0) await discard(found);
      // It would share pieces with those before it, and be found damaged with them when all has been read and sent.
      if (others > 0 && !(await isWhole()))
        throw new TaskError(
          'refused',
          `the backup store is damaged: an older backup of this volume lacks data (see restic check of ${repository})`,
        );
      await using file = await open(path, 'r');
      const made = await lock.shared(() =>
        unlocked(repository, signal, async () => {
          const deadline = AbortSignal.timeout(saveWithinMs(sizeBytes));
          try {
            return await restic.save(repository, tag, file, AbortSignal.any([signal, deadline]));
          } catch (error) {
            // Another attempt would be as slow, and the volume waits.
            if (deadline.aborted)
              throw new TaskError('refused', `not backed up within ${saveWithinMs(sizeBytes) / 1_000} s`);
            throw error;
          }
        }),
      );
      const short = made.sizeBytes !== sizeBytes;
      if (!short && (await isWhole())) return made.objects;
      await discard((await listOf(repository, tag, signal))?.ids ?? []);
      throw new Error(
        short
          ? `the disk gave ${made.sizeBytes} bytes, not ${sizeBytes}`
          : 'pieces of the backup have gone from the store',
      );
    },
    async find(data, waiting) {
      const repository = await repositoryOf(data);
      const saved = await lockOf(repository).shared(() => withSizes(repository, tagOf(data), waiting));
      const [found] = saved.toSorted((a, b) => b.sizeBytes - a.sizeBytes);
      if (found === undefined) throw new TaskError('not-found', 'the backup’s data are not in the store');
      return {
        sizeBytes: found.sizeBytes,
        dataBytes: async () => (await restic.pieces(repository, found.id)).bytes,
        read: (signal, consume) =>
          lockOf(repository).shared(() =>
            unlocked(repository, signal, () =>
              restic.read(repository, found.id, signal, counted(consume, found.sizeBytes)),
            ),
          ),
      };
    },
    async absent(data, signal) {
      const repository = await repositoryOf(data);
      await lockOf(repository).alone(async () => {
        const listed = await listOf(repository, tagOf(data), signal);
        // Of one that was cut short there may be pieces that nobody has named.
        if (listed !== null)
          await unlocked(repository, signal, () => restic.remove(repository, listed.ids, PRUNE_MS));
      });
    },
  };
}

function tagOf({ dataId }: Data): string {
  if (!isUuid(dataId)) throw new TaskError('invalid', 'the id of a backup must be a UUID');
  return `backup-${dataId.toLowerCase()}`;
}

/** restic checks each piece; that none is missing at the end is checked here. */
function counted(consume: (data: AsyncIterable<Buffer>) => Promise<void>, sizeBytes: number) {
  return async (data: AsyncIterable<Buffer>): Promise<void> => {
    let bytes = 0;
    async function* through(): AsyncGenerator<Buffer> {
      for await (const chunk of data) {
        bytes += chunk.length;
        yield chunk;
      }
    }
    await consume(through());
    if (bytes !== sizeBytes)
      throw new TaskError('invalid', `the backup’s data are ${bytes} bytes, and should be ${sizeBytes}`);
  };
}

/** The store that this host has had before, if any. */
export async function rememberedStore(stateDir: string): Promise<string | undefined> {
  const text = await readFile(memoryOf(stateDir), 'utf8').catch(() => '');
  return text.trim() || undefined;
}

function memoryOf(stateDir: string): string {
  return join(stateDir, 'backup-store');
}

/**
 * The store's id, which its mark has had since the first host came by. A host that has known another store refuses this one: an
 * empty folder over which NFS should have been mounted looks like a new store.
 */
async function identify(restic: Restic, place: string, stateDir: string): Promise<string> {
  if (place.startsWith('/') && !(await isFolder(place)))
    throw new Error(`BLOCKYARD_BACKUP_REPOSITORY: ${place} is not a folder`);
  const path = memoryOf(stateDir);
  const former = await rememberedStore(stateDir);
  let id = await restic.identity(MARK);
  if (id === null && former === undefined) {
    await restic.init(MARK);
    id = await restic.identity(MARK);
  }
  if (id === null || (former !== undefined && former !== id))
    throw new Error(
      `BLOCKYARD_BACKUP_REPOSITORY is not the store that this host has had (is it mounted?); if that is right, remove ${path}`,
    );
  if (former === undefined) {
    await writeFile(`${path}.new`, `${id}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
  return id;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}
