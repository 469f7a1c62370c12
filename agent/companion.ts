import { type ChildProcess, spawn } from 'node:child_process';
import { programEnvironment } from './program-environment.ts';

/** A program that lives beside the agent: lines go in and text comes out until it ends. */
export interface Companion {
  /** To its standard input; silently lost when it has ended. */
  write(text: string): void;
  /** Called with what comes on standard output, as it comes. */
  onStdout(listener: (text: string) => void): void;
  onStderr(listener: (text: string) => void): void;
  /** Resolves when it has ended or could not start, with a word about how; never rejects. */
  readonly ended: Promise<string>;
  /** SIGTERM; SIGKILL if it is still there a second later. */
  stop(): Promise<void>;
}

/** Starts a companion; tests and counters inject their own. */
export type StartCompanion = (
  program: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
) => Companion;

const KILL_AFTER_MS = 1_000;

/** Starts a real program, with `LC_ALL=C` and none of the agent's own variables. It dies with this process, even by SIGKILL. */
export const systemCompanion: StartCompanion = (program, args, env = {}) => {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: programEnvironment(env),
  });
  child.stdin.on('error', () => undefined);
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  const ended = whenEnded(child, program);
  return {
    write: (text) => void child.stdin.write(text),
    onStdout: (listener) => void child.stdout.on('data', listener),
    onStderr: (listener) => void child.stderr.on('data', listener),
    ended,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await ended;
      clearTimeout(timer);
    },
  };
};

function whenEnded(child: ChildProcess, program: string): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`${program} could not start: ${error.message}`));
    child.once('close', (code, signal) => resolve(`${program} ended (${signal ?? `exit code ${code}`})`));
  });
}
