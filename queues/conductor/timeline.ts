import type { Selectable } from 'kysely';
import type { OperationId } from '#schema/ids.ts';
import type { OperationStepsTable } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';

/** From then on a step that fails takes the place of its failure before: what is tried without end shall not fill the table. */
const ATTEMPTS_TOLD = 10;

type StepRow = Selectable<OperationStepsTable>;

/** A step as it is recorded; only an agent tells how it went. */
export type StepRecord = Omit<StepRow, 'operation_id' | 'wait_ms' | 'commands'> &
  Partial<Pick<StepRow, 'wait_ms' | 'commands'>>;

/**
 * The steps of one operation: those that MySQL has, and those that the next transaction will write. A step is
 * written with whatever transaction comes next, so a quick one costs no commit of its own. Should the process die
 * before, the step runs again, which tasks are made for.
 */
export class Timeline {
  readonly #operation: OperationId;
  #saved: readonly StepRow[];
  #unsaved: StepRow[] = [];
  #position: number;
  readonly #attempts = new Map<string, number>();

  constructor(operation: OperationId, saved: readonly StepRow[]) {
    this.#operation = operation;
    this.#saved = saved;
    this.#position = Math.max(0, ...saved.map(({ position }) => position));
  }

  /** The record of a step that is known to be done. */
  done(name: string, direction: 'do' | 'undo'): StepRow | undefined {
    return this.#saved.find(
      (step) => step.name === name && step.direction === direction && step.state === 'done',
    );
  }

  /** The step has begun before, in this run or in one that died. */
  begun(name: string): boolean {
    return [...this.#saved, ...this.#unsaved].some((step) => step.name === name && step.direction === 'do');
  }

  /** It is known here only that this host has done the step. */
  unwritten(name: string, host: string): boolean {
    return this.#unsaved.some((step) => step.name === name && step.host === host && step.state === 'done');
  }

  /** A new place in the timeline, or that of a step which a conductor that died left as running. */
  place(name: string, direction: 'do' | 'undo'): { position: number; attempt: number } {
    const same = this.#saved.filter((step) => step.name === name && step.direction === direction);
    const key = `${direction} ${name}`;
    const attempt = (this.#attempts.get(key) ?? Math.max(0, ...same.map((step) => step.attempt))) + 1;
    this.#attempts.set(key, attempt);
    const abandoned = same.find(({ state }) => state === 'running');
    const failed = attempt > ATTEMPTS_TOLD ? same.findLast(({ state }) => state === 'failed') : undefined;
    return { position: (abandoned ?? failed)?.position ?? ++this.#position, attempt };
  }

  /** Keeps a record for the next `write`; a later record of the same place replaces it. */
  record(step: StepRecord): void {
    const others = ({ position }: StepRow): boolean => position !== step.position;
    this.#saved = this.#saved.filter(others);
    this.#unsaved = this.#unsaved.filter(others);
    this.#unsaved.push({ wait_ms: null, commands: null, ...step, operation_id: this.#operation });
  }

  /** Writes what has been recorded; call `written` once that transaction has committed (it may run twice). */
  write(tx: Tx): void {
    if (this.#unsaved.length > 0) tx.later(tx.q.replaceInto('operation_steps').values(this.#unsaved));
  }

  written(): void {
    this.#saved = [...this.#saved, ...this.#unsaved];
    this.#unsaved = [];
  }
}
