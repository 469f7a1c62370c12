import { z } from 'zod';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { streamed } from '#agent/stream.ts';
import { TaskError } from '#schema/tasks.ts';

/** One door to restic: place and password are in its environment, never among its arguments. */
export interface Restic {
  /** The repository's own id, the same from whichever host; null when there is no repository. */
  identity(repository: string): Promise<string | null>;
  /** Makes the repository unless it is there. */
  init(repository: string): Promise<void>;
  /** The backups that carry this tag, by restic's ids; null when there is no repository. */
  find(repository: string, tag: string): Promise<string[] | null>;
  /** Bytes of a backup. */
  sizeOf(repository: string, id: string): Promise<number>;
  /** Saves all that the open file has. @returns how many new pieces that made. */
  save(
    repository: string,
    tag: string,
    file: { readonly fd: number },
    signal: AbortSignal,
  ): Promise<{ readonly objects: number; readonly sizeBytes: number }>;
  /** How many pieces a backup has, and their bytes, each counted once. */
  pieces(repository: string, id: string): Promise<{ readonly count: number; readonly bytes: number }>;
  /** Forgets these and removes what no other backup needs. */
  remove(repository: string, ids: readonly string[], timeoutMs: number): Promise<void>;
  /** Removes locks whose holder is dead. */
  unlock(repository: string): Promise<void>;
  /** A backup's data from the beginning, each piece checked. */
  read(
    repository: string,
    id: string,
    signal: AbortSignal,
    consume: (data: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void>;
}

/** Another host works with the repository in a way that bears no company. */
export class Locked extends Error {
  override readonly name = 'Locked';
}

class Missing extends Error {
  override readonly name = 'Missing';
}

/** A command that only looks: mostly the time that it takes to make the key of a password. */
const LOOK_MS = 120_000;
/** Of what it says at the end. */
const SUMMARY_CHARACTERS = 4_000;
const FILE = 'volume';
/** All hosts have the same: which one made a backup is nothing that a later one should ask. */
const HOST = 'blockyard';

const config = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/) });
const snapshots = z.array(z.object({ id: z.string().regex(/^[0-9a-f]{64}$/) })).nullable();
const node = z.object({ struct_type: z.literal('node'), size: z.number() });
const summary = z.object({
  message_type: z.literal('summary'),
  data_blobs: z.number(),
  tree_blobs: z.number(),
  total_bytes_processed: z.number(),
});
const stats = z.object({
  total_blob_count: z.number(),
  total_uncompressed_size: z.number().optional(),
  total_size: z.number(),
});

export function createRestic(
  runner: Runner,
  place: (repository: string) => string,
  password: string,
): Restic {
  const env = (repository: string): Record<string, string> => ({
    RESTIC_REPOSITORY: place(repository),
    RESTIC_PASSWORD: password,
  });
  const run = async (repository: string, args: readonly string[], timeoutMs = LOOK_MS): Promise<string> => {
    try {
      // It dies with the agent: a later run makes anew what this one was about.
      const all = ['--pdeathsig', 'KILL', 'restic', '--no-cache', ...args];
      const { stdout } = await runner.run('setpriv', all, { timeoutMs, env: env(repository) });
      return stdout;
    } catch (error) {
      throw error instanceof ProgramError ? reasonOf(error) : error;
    }
  };
  /** What passes here is never held. */
  const stream = async (
    repository: string,
    args: readonly string[],
    options: { readonly signal: AbortSignal; readonly stdin?: number },
    consume: (data: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void> => {
    try {
      await streamed('restic', ['--no-cache', ...args], { ...options, env: env(repository) }, consume);
    } catch (error) {
      throw error instanceof ProgramError ? reasonOf(error) : error;
    }
  };
  const orNull = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Missing) return null;
      throw error;
    }
  };

  return {
    identity: (repository) =>
      orNull(async () => config.parse(JSON.parse(await run(repository, ['cat', 'config']))).id),
    async init(repository) {
      try {
        await run(repository, ['init', '--quiet']);
      } catch (error) {
        // Another host was quicker.
        if ((await orNull(() => run(repository, ['cat', 'config']))) === null) throw error;
      }
    },
    find: (repository, tag) =>
      orNull(async () => {
        const found = snapshots.parse(
          JSON.parse(await run(repository, ['snapshots', '--json', '--tag', tag])),
        );
        return (found ?? []).map(({ id }) => id);
      }),
    async sizeOf(repository, id) {
      const lines = (await run(repository, ['ls', '--json', id])).split('\n').filter((line) => line !== '');
      const found = lines.map((line) => node.safeParse(JSON.parse(line))).find(({ success }) => success);
      return found?.data?.size ?? 0;
    },
    async save(repository, tag, { fd }, signal) {
      const args = ['backup', '--json', '--quiet', '--stdin', '--stdin-filename', FILE, '--host', HOST];
      let text = '';
      await stream(repository, [...args, '--tag', tag], { signal, stdin: fd }, async (data) => {
        for await (const chunk of data) text = (text + chunk.toString()).slice(-SUMMARY_CHARACTERS);
      });
      const last = summary.parse(JSON.parse(text.trimEnd().split('\n').at(-1) ?? ''));
      return { objects: last.data_blobs + last.tree_blobs, sizeBytes: last.total_bytes_processed };
    },
    async pieces(repository, id) {
      const found = stats.parse(
        JSON.parse(await run(repository, ['stats', '--json', '--mode', 'raw-data', id])),
      );
      return { count: found.total_blob_count, bytes: found.total_uncompressed_size ?? found.total_size };
    },
    async remove(repository, ids, timeoutMs) {
      await run(repository, ['forget', '--quiet', '--prune', ...ids], timeoutMs);
    },
    async unlock(repository) {
      await orNull(() => run(repository, ['unlock', '--quiet']));
    },
    read: (repository, id, signal, consume) =>
      stream(repository, ['dump', '--quiet', id, `/${FILE}`], { signal }, consume),
  };
}

const DAMAGED =
  /ciphertext verification failed|invalid data returned|hash mismatch|does not match|not found in (?:the )?index|unexpected EOF|decrypting|blob .* not found|does not exist/i;

/** restic has one exit code for everything: its words say what it is. */
function reasonOf(error: ProgramError): Error {
  const { stderr, code } = error.failure;
  if (code === 'ENOENT' || /failed to execute restic/.test(stderr))
    return new TaskError('refused', 'restic is not installed on this storage host');
  if (/unable to create lock|repository is already locked/.test(stderr)) return new Locked(error.message);
  if (/wrong password or no key found/.test(stderr))
    return new TaskError('refused', 'the backup store has another password than this host’s');
  if (/Is there a repository at the following location|unable to open config file/.test(stderr))
    return new Missing('there is no backup repository');
  if (/no space left on device|disk quota exceeded/i.test(stderr))
    return new TaskError('refused', 'no space left in the backup store');
  if (DAMAGED.test(stderr))
    return new TaskError('invalid', `the backup’s data in the store are damaged: ${error.message}`);
  return error;
}
