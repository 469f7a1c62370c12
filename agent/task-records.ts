import { Recorder } from './recorder.ts';

/** Tasks that were withdrawn before their next attempt are never told of as ended. */
const MOST = 1_000;

/** What has been recorded of tasks that have not ended: another attempt goes on with the record of the one before. */
export class TaskRecords {
  readonly #open = new Map<string, Recorder>();

  of(jobId: string): Recorder {
    const known = this.#open.get(jobId);
    if (known !== undefined) return known;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined && this.#open.size >= MOST) this.#open.delete(oldest);
    const recorder = new Recorder();
    this.#open.set(jobId, recorder);
    return recorder;
  }

  end(jobId: string): void {
    this.#open.delete(jobId);
  }
}
