import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup, signalProcess } from './servers/server.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A process that has run this long has recovered: the next crash counts as its first. */
const STEADY_MS = 10_000;
const TERM_DEADLINE_MS = 10_000;

export interface ProcessOptions {
  readonly name: string;
  /** A shell's command line that starts with `exec`, so that the process started is the program itself. */
  readonly command: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Each line of its output, and what the supervisor did. */
  readonly log: (name: string, line: string) => void;
}

/** One process of a Procfile, in a process group of its own, started again whenever it ends by itself. */
export class SupervisedProcess {
  readonly name: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #wanted = false;
  #pauseMs = FIRST_PAUSE_MS;
  #pausing: AbortController | undefined;
  #restarts = 0;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** `undefined` while it isn't running. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it has been started again after it ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Starts it; nothing happens when it is running already. */
  start(): void {
    this.#wanted = true;
    this.#pausing?.abort();
    if (this.#child === undefined) this.#spawn();
  }

  /** Ends it and leaves it so: SIGTERM (or the signal given), and SIGKILL to the whole group after ten seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#wanted = false;
    this.#pausing?.abort();
    const pid = this.pid;
    if (pid === undefined) return;
    const exited = this.#exited;
    // Only the program itself at first: it ends its own helpers in its own order.
    signalProcess(pid, signal);
    const expired = new AbortController();
    const hard = sleep(TERM_DEADLINE_MS, 'late', { signal: expired.signal }).catch(() => '');
    if ((await Promise.race([exited, hard])) === 'late') this.#say('did not end, killing it');
    expired.abort();
    // Also what it may have left in its group.
    signalGroup(pid, 'SIGKILL');
    await exited;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** Sends a deadly signal to the program alone and resolves when it is gone; the supervisor starts it again. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const exited = this.#exited;
    if (this.pid !== undefined) signalProcess(this.pid, signal);
    await exited;
  }

  #spawn(): void {
    const { command, env } = this.#options;
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'sh', '-c', command], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env },
    });
    const began = performance.now();
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) this.#forward(stream);
    this.#exited = once(child, 'exit').then(
      ([code, signal]) => this.#ended(describeEnd(code as number | null, signal as string | null), began),
      (error: unknown) => this.#ended(`could not start: ${String(error)}`, began),
    );
  }

  #ended(how: string, began: number): void {
    this.#child = undefined;
    if (!this.#wanted) return;
    if (performance.now() - began > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    this.#say(`${how}; starting it again in ${this.#pauseMs} ms`);
    void this.#startLater(this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  async #startLater(ms: number): Promise<void> {
    this.#pausing = new AbortController();
    await sleep(ms, undefined, { signal: this.#pausing.signal }).catch(() => undefined);
    this.#pausing = undefined;
    if (!this.#wanted || this.#child !== undefined) return;
    this.#restarts += 1;
    this.#spawn();
  }

  #forward(stream: Readable): void {
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    lines.on('line', (line) => this.#options.log(this.name, line));
  }

  #say(text: string): void {
    this.#options.log(this.name, `(supervisor) ${text}`);
  }
}

function describeEnd(code: number | null, signal: string | null): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
