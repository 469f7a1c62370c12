import { AsyncLocalStorage } from 'node:async_hooks';
import type { Secrets } from '#queues/secrets.ts';
import { currentSpan, inSpan } from '#telemetry/tracing.ts';
import { countCommand } from './metrics.ts';
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

/** Does something that the task's timeline and its trace shall tell of: every door to the host passes here. */
export function recorded<T>(doing: Doing, work: () => Promise<T>): Promise<T> {
  return inSpan(
    () => ({ name: doing.program, kind: 'client', saysWhy: true }),
    async () => {
      const began = performance.now();
      try {
        const result = await work();
        tell(doing, 0, null, began);
        return result;
      } catch (error) {
        const exitCode = (doing.exitCodeOf ?? exitCodeOf)(error);
        tell(doing, exitCode, error instanceof Error ? error.message : String(error), began);
        throw error;
      }
    },
  );
}

function tell(doing: Doing, exitCode: number | null, error: string | null, began: number): void {
  const ended = performance.now();
  countCommand(doing.program, error === null ? 'done' : 'failed', ended - began);
  const told = current.getStore()?.add({ command: doing.command(), exitCode, error, began, ended });
  if (told === undefined) return;
  const span = currentSpan();
  span?.set({
    'blockyard.command': told.command,
    ...(exitCode !== null && { 'process.exit.code': exitCode }),
  });
  if (told.error !== null) span?.fail(told.error);
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
