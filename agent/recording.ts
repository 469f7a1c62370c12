import { AsyncLocalStorage } from 'node:async_hooks';
import type { Secrets } from '#queues/secrets.ts';
import { ProgramError } from './program-error.ts';
import type { Recorder } from './recorder.ts';

/** The task that what runs now is done for; a report or a recovery has none. */
const current = new AsyncLocalStorage<Recorder>();

/** Whatever `work` has done, however deep, is recorded. */
export function recordingTo<T>(recorder: Recorder, work: () => Promise<T>): Promise<T> {
  return current.run(recorder, work);
}

export interface Doing {
  /** `lvcreate`, `virsh`, `tgtd`, `configfs` …: metrics count by it. */
  readonly program: string;
  /** All of it, as a reader of the timeline is to see it. Called when it has ended. */
  readonly command: () => string;
  /** What counts as its exit code when it has failed. Default: a program's own; 1 for what is none. */
  readonly exitCodeOf?: (error: unknown) => number | null;
}

/** Does something that the task's timeline shall tell of: every door to the host passes here. */
export async function recorded<T>(doing: Doing, work: () => Promise<T>): Promise<T> {
  const recorder = current.getStore();
  const began = performance.now();
  try {
    const result = await work();
    recorder?.add({ command: doing.command(), exitCode: 0, error: null, began, ended: performance.now() });
    return result;
  } catch (error) {
    recorder?.add({
      command: doing.command(),
      exitCode: (doing.exitCodeOf ?? exitCodeOf)(error),
      error: error instanceof Error ? error.message : String(error),
      began,
      ended: performance.now(),
    });
    throw error;
  }
}

function exitCodeOf(error: unknown): number | null {
  return error instanceof ProgramError ? (error.failure.exitCode ?? null) : 1;
}

/** What it opens shows in no record of the task that had it opened. */
export function unrecorded<S extends Pick<Secrets, 'decrypt'>>(secrets: S): S {
  return {
    ...secrets,
    decrypt(sealed, context) {
      const secret = secrets.decrypt(sealed, context);
      current.getStore()?.hide(secret);
      return secret;
    },
  };
}
