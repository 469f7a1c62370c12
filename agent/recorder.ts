import {
  type CommandRecord,
  LONGEST_COMMAND,
  LONGEST_COMMAND_ERROR,
  MOST_COMMANDS,
  type TaskAccount,
} from '#schema/accounts.ts';
import { redact } from '#telemetry/redact.ts';

/** One thing that was done, as it happened. */
export interface Done {
  /** May hold secrets: they are taken out here. */
  readonly command: string;
  readonly exitCode: number | null;
  readonly error: string | null;
  /** By `performance.now()`. */
  readonly began: number;
  readonly ended: number;
}

/** Keeps what is done for one task, over all of its attempts, within bounds. */
export class Recorder {
  readonly #began = performance.now();
  readonly #secrets = new Set<string>();
  #commands: CommandRecord[] = [];
  #omitted = 0;
  #ranMs = 0;

  /** From here on this text shows in no record, nor its Base64. */
  hide(secret: string): void {
    if (secret === '') return;
    this.#secrets.add(secret).add(Buffer.from(secret).toString('base64'));
  }

  /** @param longest in characters. */
  clean(text: string, longest: number): string {
    return redact(text, this.#secrets, longest);
  }

  /** @returns what is kept of it, without secrets. */
  add({ command, exitCode, error, began, ended }: Done): CommandRecord {
    if (this.#commands.length >= MOST_COMMANDS) {
      // What failed is what a reader looks for.
      const oldestGood = this.#commands.findIndex(({ exit_code }) => exit_code === 0);
      this.#commands.splice(Math.max(0, oldestGood), 1);
      this.#omitted += 1;
    }
    const record = {
      command: this.clean(command, LONGEST_COMMAND),
      exit_code: exitCode,
      at_ms: Math.round(began - this.#began),
      duration_ms: Math.round(ended - began),
      error: error === null ? null : this.clean(error, LONGEST_COMMAND_ERROR),
    };
    this.#commands.push(record);
    return record;
  }

  /** Counts the time of one attempt. */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work();
    } finally {
      this.#ranMs += performance.now() - began;
    }
  }

  account(): TaskAccount {
    return { ran_ms: Math.round(this.#ranMs), commands: this.#commands, omitted: this.#omitted };
  }
}
