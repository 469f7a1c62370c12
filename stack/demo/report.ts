import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** What one step of the walk tells while it runs. */
export interface Step {
  /** Something that was asked for: an API call, a command. */
  did(line: string): void;
  /** Something that was observed, and is as it should be. */
  saw(line: string): void;
  /** More about the line before, as it was found. */
  quote(text: string): void;
}

const WIDTH = 88;

/** Prints the walk: a heading for each step with the time it took, below it what was done and observed. */
export class Report {
  readonly #out: NodeJS.WriteStream;
  #steps = 0;
  #observations = 0;
  #muted = false;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Observations that held so far. */
  get observations(): number {
    return this.#observations;
  }

  /** Prints nothing from here on: the step under way was cut short. */
  mute(): void {
    this.#muted = true;
  }

  /** Runs one step, and prints it when it has ended; what it throws is passed on. */
  async step<T>(title: string, body: (step: Step) => Promise<T>): Promise<T> {
    this.#steps += 1;
    const heading = `${String(this.#steps).padStart(2)}  ${title}`;
    if (this.#out.isTTY) this.#out.write(`${heading} …`);
    const lines: string[] = [];
    const began = performance.now();
    let ended = false;
    try {
      const result = await body({
        did: (line) => lines.push(this.#style('dim', `      ${line}`)),
        saw: (line) => {
          this.#observations += 1;
          lines.push(`    ${this.#style('green', '✓')} ${line}`);
        },
        quote: (text) =>
          lines.push(...text.split('\n').map((line) => this.#style('cyan', `        ${line}`))),
      });
      ended = true;
      return result;
    } finally {
      const took = duration(performance.now() - began);
      if (this.#out.isTTY) this.#out.write('\r\u001B[K');
      const mark = ended ? '' : this.#style('red', '  FAILED');
      const gap = ' '.repeat(Math.max(2, WIDTH - heading.length - took.length));
      this.line(`${this.#style('bold', heading)}${gap}${took}${mark}`);
      for (const line of lines) this.line(line);
    }
  }

  line(text = ''): void {
    if (!this.#muted) this.#out.write(`${text}\n`);
  }

  #style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#out });
  }
}

/** `12 ms`, `3.4 s`. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
