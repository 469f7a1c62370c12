import { z } from 'zod';
import { cloudAccount } from '#agent/program-environment.ts';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { streamed } from '#agent/stream.ts';
import { TaskError } from '#schema/tasks.ts';
import type { BackupConfig } from './config.ts';

/** One door to restic: place and password are in its environment, never among its arguments. */
export interface Restic {
  /** The repository's own id, the same from whichever host; null when there is no repository. */
  identity(repository: string): Promise<string | null>;
  /** Makes the repository unless it is there. */
  init(repository: string): Promise<void>;
  /** All backups, by restic's ids; null when there is no repository. */
  list(repository: string): Promise<Listed[] | null>;
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
  /**
   * Whether all that the repository's backups need is there; looks at no data. Without restic's lock others may go on meanwhile, and
   * who prunes makes it say false of what is whole.
   */
  isWhole(repository: string, locked: boolean): Promise<boolean>;
  /** Forgets these, if any, and removes what no other backup needs. */
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

interface Listed {
  readonly id: string;
  readonly tags: readonly string[];
}

/** Another host works with the repository in a way that bears no company. */
export class Locked extends Error {
  override readonly name = 'Locked';
}

class Missing extends Error {
  override readonly name = 'Missing';
}

class Damaged extends TaskError {}

/** A command that only looks: mostly the time that it takes to make the key of a password. */
const LOOK_MS = 120_000;
/** A command that reads the index of a repository, and what there is of files. */
const CHECK_MS = 1_800_000;
/** Of what it says at the end. */
const SUMMARY_CHARACTERS = 4_000;
const FILE = 'volume';
/** All hosts have the same: which one made a backup is nothing that a later one should ask. */
const HOST = 'blockyard';

const config = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/) });
const snapshots = z
  .array(z.object({ id: z.string().regex(/^[0-9a-f]{64}$/), tags: z.array(z.string()).nullish() }))
  .nullable();
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
  { password, ca }: Pick<BackupConfig, 'password' | 'ca'>,
): Restic {
  const common = ['--no-cache', ...(ca === undefined ? [] : ['--cacert', ca])];
  const env = (repository: string): Record<string, string> => ({
    ...cloudAccount(),
    RESTIC_REPOSITORY: place(repository),
    RESTIC_PASSWORD: password,
  });
  const run = async (repository: string, args: readonly string[], timeoutMs = LOOK_MS): Promise<string> => {
    try {
      // It dies with the agent: a later run makes anew what this one was about.
      const all = ['--pdeathsig', 'KILL', 'restic', ...common, ...args];
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
      await streamed('restic', [...common, ...args], { ...options, env: env(repository) }, consume);
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
    list: (repository) =>
      orNull(async () => {
        const found = snapshots.parse(JSON.parse(await run(repository, ['snapshots', '--json'])));
        return (found ?? []).map(({ id, tags }) => ({ id, tags: tags ?? [] }));
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
    async isWhole(repository, locked) {
      try {
        await run(repository, ['check', ...(locked ? [] : ['--no-lock']), '--quiet'], CHECK_MS);
        return true;
      } catch (error) {
        if (error instanceof Damaged) return false;
        // Cut short: that it has not been read says nothing of what is there.
        if (error instanceof TaskError && error.code === 'invalid')
          throw new Error(error.message, { cause: error });
        throw error;
      }
    },
    async remove(repository, ids, timeoutMs) {
      const args = ids.length === 0 ? ['prune', '--quiet'] : ['forget', '--quiet', '--prune', ...ids];
      await run(repository, args, timeoutMs);
    },
    async unlock(repository) {
      await orNull(() => run(repository, ['unlock', '--quiet']));
    },
    read: (repository, id, signal, consume) =>
      stream(repository, ['dump', '--quiet', id, `/${FILE}`], { signal }, consume),
  };
}

const DAMAGED =
  /ciphertext verification failed|invalid data returned|hash mismatch|does not match|not found in (?:the )?index|unexpected file size|decrypting|blob .* not found|does not exist/i;
/** Of a piece that is too short, and of a connection that ended too early. */
const CUT_SHORT = /unexpected EOF/i;
/** S3's refusals of an account, in minio-go's words, which are the server's own where it gives any. */
const NOT_LET_IN =
  /request signature we calculated does not match|access key id you provided does not exist|access denied|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|request has expired|too skewed/i;
const AWAY =
  /dial tcp|connection (?:refused|reset)|no such host|i\/o timeout|handshake|x509|certificate|internal error|service unavailable|reduce your request rate/i;
/** Nothing is there; S3 says it of the object or of the bucket. */
const NOT_THERE = /no such file or directory|specified (?:key|bucket) does not exist/i;

/** restic has one exit code for everything: its words say what it is. */
function reasonOf(error: ProgramError): Error {
  const { code } = error.failure;
  // What it has tried again says little of how it ended.
  const lines = error.failure.stderr.split('\n').filter((line) => !line.includes('retrying after'));
  const stderr = lines.join('\n');
  const said = (pattern: RegExp): string | undefined => lines.findLast((line) => pattern.test(line));
  if (code === 'ENOENT' || /failed to execute restic/.test(stderr))
    return new TaskError('refused', 'restic is not installed on this storage host');
  const refusal = said(NOT_LET_IN);
  if (refusal !== undefined)
    return new TaskError(
      'refused',
      `the backup store refuses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this host: ${reasonIn(refusal)}`,
    );
  const trouble = said(AWAY);
  if (trouble !== undefined) return new Error(`the backup store cannot be reached: ${reasonIn(trouble)}`);
  if (/unable to create lock|repository is already locked/.test(stderr)) return new Locked(error.message);
  if (/wrong password or no key found/.test(stderr))
    return new TaskError('refused', 'the backup store has another password than this host’s');
  const unopened = said(/unable to open config file/);
  if (unopened !== undefined)
    return NOT_THERE.test(unopened)
      ? new Missing('there is no backup repository')
      : new Error(`the backup store cannot be read: ${reasonIn(unopened)}`);
  if (/no space left on device|disk quota exceeded/i.test(stderr))
    return new TaskError('refused', 'no space left in the backup store');
  const words = `the backup’s data in the store are damaged: ${error.message}`;
  if (DAMAGED.test(stderr)) return new Damaged('invalid', words);
  if (CUT_SHORT.test(stderr)) return new TaskError('invalid', words);
  return error;
}

/** Without what restic was about, and without the request's address, which may be long. */
function reasonIn(line: string): string {
  return line
    .replace(/^(?:Fatal: )?(?:unable to open config file: )?(?:Stat: )?/, '')
    .replace(/\b(?:Get|Head|Put|Post|Delete) "[^"]*": /, '')
    .slice(0, 300);
}
