import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { connect } from 'node:net';

/** A guest's serial console: what it said since it started, and a way to tell it something. */
export class GuestConsole implements AsyncDisposable {
  #text = '';
  readonly #socket: string;
  readonly #file: FileHandle;
  readonly #watcher: FSWatcher;
  readonly #waiting = new Set<() => void>();
  #reading: Promise<void> = Promise.resolve();

  private constructor(socket: string, log: string, file: FileHandle) {
    this.#socket = socket;
    this.#file = file;
    this.#watcher = watch(log, () => {
      this.#reading = this.#reading.then(() => this.#read());
    });
    this.#reading = this.#read();
  }

  /** Opens the console of a started domain. Arguments: `consoleSocket` and `consoleLog` of its XML. */
  static async open(socket: string, log: string): Promise<GuestConsole> {
    return new GuestConsole(socket, log, await open(log, 'r'));
  }

  /** Everything the console has said so far. */
  get text(): string {
    return this.#text;
  }

  /** A place in the text, to wait for what comes after it. */
  get mark(): number {
    return this.#text.length;
  }

  /**
   * Resolves with the match as soon as the console has said it, at or after `mark` (default: ever).
   * @param deadlineMs milliseconds; TCG guests are slow, so the default is 60,000.
   * @throws Error with the console's last lines when the deadline passes.
   */
  async waitFor(pattern: RegExp, { mark = 0, deadlineMs = 60_000 } = {}): Promise<RegExpExecArray> {
    const expired = AbortSignal.timeout(deadlineMs);
    for (;;) {
      // Whole lines only: a pattern must not match the first half of a number.
      const match = pattern.exec(this.#text.slice(mark, this.#text.lastIndexOf('\n') + 1));
      if (match !== null) return match;
      if (expired.aborted) {
        const end = this.#text.trimEnd().split('\n').slice(-12).join('\n');
        throw new Error(
          `the guest did not say ${pattern} within ${deadlineMs} ms; its console ends:\n${end}`,
        );
      }
      await this.#more(expired);
    }
  }

  /**
   * Tells the guest a command and resolves with its answer's lines, without their "guest: " prefix.
   * @throws Error when the guest says that it failed.
   */
  async command(line: string, deadlineMs = 60_000): Promise<string[]> {
    const mark = this.mark;
    const verb = line.split(' ', 1)[0];
    const client = connect(this.#socket);
    await once(client, 'connect');
    client.end(`${line}\n`);
    const end = await this.waitFor(new RegExp(`^guest: (done|failed) ${verb}$`, 'm'), { mark, deadlineMs });
    client.destroy();
    const said = end.input.slice(0, end.index).trimEnd();
    if (end[1] === 'failed') throw new Error(`the guest failed at "${line}": ${said}`);
    return said
      .split('\n')
      .filter((answer) => answer.startsWith('guest: '))
      .map((answer) => answer.slice('guest: '.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.close();
    await this.#reading;
    await this.#file.close();
  }

  async #more(expired: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    expired.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
  }

  async #read(): Promise<void> {
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      this.#text += buffer.toString('latin1', 0, bytesRead).replaceAll('\r', '');
    }
    for (const wake of this.#waiting) wake();
  }
}
