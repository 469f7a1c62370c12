import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { awaitRemembered, rememberProcess } from './identity.ts';

/** A server of ours: `stop` ends its whole process group and resolves when it is gone. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Existing folder for `name.pid` and `name.log`, which takes standard output and error. The log's last lines are part
   * of the error when the server does not come up.
   */
  readonly dir: string;
  /** Asked until true, after 20 ms and then ever more slowly; a throw means "not yet". */
  readonly ready: () => Promise<boolean>;
  /** Milliseconds. Default 30,000. */
  readonly deadlineMs?: number;
  /** What ends it, and what it gets when this process dies, even by SIGKILL. Default SIGTERM. */
  readonly endSignal?: 'SIGTERM' | 'SIGKILL';
}

const STOP_DEADLINE_MS = 20_000;

/**
 * Starts a server in a process group of its own and waits until it is ready.
 * @throws Error with the last lines of the server's log when it ends or is not ready in time.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { name, dir, endSignal = 'SIGTERM' } = options;
  const pidFile = join(dir, `${name}.pid`);
  const logFile = join(dir, `${name}.log`);
  await awaitRemembered(pidFile);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn('setpriv', ['--pdeathsig', endSignal.slice(3), options.program, ...options.args], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  const exited = once(child, 'exit').catch((error: unknown) => [String(error)]);
  let gone = false;
  void exited.then(() => (gone = true));
  const stop = async (): Promise<void> => {
    if (child.pid === undefined) return;
    if (!gone) {
      signalGroup(child.pid, endSignal);
      await Promise.race([exited, sleep(STOP_DEADLINE_MS, undefined, { ref: false })]);
    }
    signalGroup(child.pid, 'SIGKILL');
    await exited;
  };
  if (child.pid !== undefined) await rememberProcess(pidFile, child.pid);
  const deadline = performance.now() + (options.deadlineMs ?? 30_000);
  let pauseMs = 20;
  while (!(await options.ready().catch(() => false))) {
    if (gone || performance.now() > deadline) {
      const what = gone ? 'ended while starting' : 'was not ready in time';
      await stop();
      throw new Error(`${name} ${what}; its log ends:\n${await lastLines(logFile)}`);
    }
    await Promise.race([sleep(pauseMs), exited]);
    pauseMs = Math.min(pauseMs * 1.2, 500);
  }
  return { pid: child.pid!, stop, [Symbol.asyncDispose]: stop };
}

/** Signals a whole process group; one that is gone already is fine. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  signalProcess(-pid, signal);
}

/** Signals one process; one that is gone already is fine. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-15).join('\n');
}
