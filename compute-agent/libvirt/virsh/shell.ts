import type { Companion } from '#agent/companion.ts';
import { VirshError, virshError } from './virsh-error.ts';

interface Pending {
  readonly marker: string;
  readonly done: (stdout: string) => void;
  readonly failed: (error: VirshError) => void;
}

/**
 * One interactive virsh that takes commands on its standard input, one at a time: a command costs about a millisecond
 * instead of the 25 ms of a new virsh (its libraries and the connection).
 *
 * Commands are framed by `echo` of a number on both streams. virsh's line editor repeats what it reads, so the
 * marker is sent in another spelling (`e'n'd`) than it comes back in (`end`).
 */
export class VirshShell {
  readonly #companion: Companion;
  #stdout = '';
  #stderr = '';
  #pending: Pending | null = null;
  #count = 0;
  #dead: string | null = null;

  constructor(companion: Companion) {
    this.#companion = companion;
    companion.onStdout((text) => {
      this.#stdout += text;
      this.#settle();
    });
    companion.onStderr((text) => {
      this.#stderr += text;
      // Between commands virsh has one thing to say: that libvirtd has gone.
      if (this.#pending === null && this.#count > 0) void this.#give(virshError(text)?.message ?? text);
      this.#settle();
    });
    void companion.ended.then((how) => this.#give(virshError(this.#stderr)?.message ?? how));
  }

  /** False once it must not be used again. */
  get alive(): boolean {
    return this.#dead === null;
  }

  /**
   * @param line a command with its arguments quoted (`quote`)
   * @throws VirshError
   */
  async run(line: string, timeoutMs: number): Promise<string> {
    if (this.#dead !== null) throw new VirshError('disconnected', this.#dead);
    if (this.#pending !== null) throw new Error('a virsh shell runs one command at a time');
    this.#count += 1;
    const number = this.#count;
    this.#stdout = '';
    if (number > 1) this.#stderr = '';
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((done, failed) => {
        this.#pending = { marker: `end${number}.`, done, failed };
        timer = setTimeout(() => void this.#give(`virsh did not answer within ${timeoutMs} ms`), timeoutMs);
        this.#companion.write(`${line}\necho --err e'n'd${number}.\necho e'n'd${number}.\n`);
      });
    } finally {
      clearTimeout(timer);
      this.#pending = null;
    }
  }

  async stop(): Promise<void> {
    await this.#give('stopped');
  }

  #settle(): void {
    const pending = this.#pending;
    if (pending === null || !this.#stdout.includes(pending.marker)) return;
    const errorEnd = this.#stderr.lastIndexOf(`error: ${pending.marker}`);
    if (errorEnd < 0) return;
    const error = virshError(this.#stderr.slice(0, errorEnd));
    if (error === null) {
      pending.done(answer(this.#stdout, pending.marker));
      return;
    }
    if (error.failure === 'disconnected') void this.#give(error.message);
    else pending.failed(error);
  }

  async #give(why: string): Promise<void> {
    this.#dead ??= why.trim();
    this.#pending?.failed(new VirshError('disconnected', this.#dead));
    await this.#companion.stop();
  }
}

const PROMPT = /^virsh [#>] /;
/** The end marker's prompts, with what the line editor repeats between them. */
const TRAILER = /virsh [#>] (?<repeated>echo --err [^\n]*\n)?virsh [#>] (?:echo [^\n]*\n)?$/;

/**
 * What the command itself wrote. A virsh with a line editor has repeated the command before it, on one line, of which
 * a narrow terminal (`dumb` has 80 columns) shows only the end; one without has not.
 */
function answer(stdout: string, marker: string): string {
  const text = stdout.slice(0, stdout.indexOf(marker));
  const trailer = TRAILER.exec(text);
  const body = text.slice(0, trailer?.index).replace(PROMPT, '');
  return trailer?.groups?.['repeated'] === undefined ? body : body.slice(body.indexOf('\n') + 1);
}
