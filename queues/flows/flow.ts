import type { Clock } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import type { TASKS, TaskErrorCode, TaskInput, TaskName, TaskOutput } from '#schema/tasks.ts';
import type { Placement } from '../placement/place.ts';
import type { Tx } from '../transaction.ts';
import type { Facts } from './facts.ts';

/** What a row sees: the facts, and the outputs of the rows above it. */
export interface Run<K extends OperationKind, Out> {
  readonly facts: Facts<K>;
  readonly out: Out;
  readonly clock: Clock;
  readonly placement: Placement;
  /** While undoing and at the end: a host that is down was left as it is. */
  readonly evicts: boolean;
  /** At the end: why it was undone or is stuck. */
  readonly error: string | null;
  /** At a stuck end: a host is past this operation, so what it asked for may be in use by now: no key and no data of it are dropped. */
  readonly outrun: boolean;
}

/** One task for one host; null skips the row because there is nothing to do. */
export type TaskCall<N extends TaskName> = { readonly host: HostName; readonly input: TaskInput<N> } | null;

/** Undo is never left out: a row has one, or says why it needs none. */
export type NoUndo = { readonly none: string };

/** A row carried out by the conductor itself, inside the transaction that records it. */
export interface LocalRow<K extends OperationKind, Name extends string, Out, Output> {
  readonly name: Name;
  readonly on: 'conductor';
  readonly do: (tx: Tx, run: Run<K, Out>) => Promise<Output>;
  readonly undo: NoUndo | ((tx: Tx, run: Run<K, Partial<Out> & { [N in Name]?: Output }>) => void);
}

/** A row carried out by an agent. */
export interface TaskRow<
  K extends OperationKind,
  Name extends string,
  Out,
  N extends TaskName,
  U extends TaskName,
> {
  readonly name: Name;
  readonly on: (typeof TASKS)[N]['agent'];
  readonly task: N;
  readonly do: (run: Run<K, Out>) => TaskCall<N>;
  /** The undo may run after a `do` that failed halfway or never began: it can't rely on the row's own output. */
  readonly undo:
    | NoUndo
    | {
        readonly task: U;
        readonly do: (run: Run<K, Partial<Out>>) => TaskCall<U>;
        /**
         * A host that is down is not waited for: it is evicted, which the end writes down (`run.evicts`), and the rows above
         * shut it out. Only where the guest has never been told that the disk is its own.
         */
        readonly orEvict?: true;
      };
  /** Seconds the host has for it before the operation turns back. Default 60. */
  readonly withinS?: number | ((facts: Facts<K>) => number);
  /**
   * Has a line of its own at the agent, beside that of the volume's other tasks: it may last hours and changes nothing, and
   * exports that are restored meanwhile can't wait for it. One whose undo is none then `finishes` or `waits`.
   */
  readonly lane?: string;
  /** Forward only: an absent host is waited for, however long. */
  readonly waits?: true;
  /**
   * Once its host may have begun with it, it is waited for like one that `waits`: what it does cannot be undone, or is done in a lane,
   * where nothing else that is asked of the volume would wait for its end.
   */
  readonly finishes?: true;
  /**
   * With `waits`, behind a commit that cannot be turned back: it is tried again without end, until it has been done or can never
   * be (`invalid`, `not-found`, `stale`). The volume stays the operation's meanwhile.
   */
  readonly endless?: true;
  /**
   * When it fails for good there is no way back: the operation is handed to a person with the reason. A function tells which of
   * the agent's failures these are.
   */
  readonly orStuck?: true | ((code: TaskErrorCode) => boolean);
  /** A failure of this row is recorded and the flow goes on; the text says why that is safe. */
  readonly optional?: string;
  /** As `optional`, where the agent says `not-found`. */
  readonly orAbsent?: string;
}

/** How a flow ends in MySQL; both run in the transaction that closes the operation. */
export interface Ends<K extends OperationKind, Out> {
  readonly done: (tx: Tx, run: Run<K, Out>) => void | Promise<void>;
  /** All undone: the volume is as it was before, or in `error` with nothing left behind. */
  readonly undone: (tx: Tx, run: Run<K, Partial<Out>>) => void;
  /** Handed to a person: what the volume's status says until somebody acts. */
  readonly stuck: (tx: Tx, run: Run<K, Partial<Out>>) => void;
}

/** The rows as the engine sees them: the builder below has already tied the types together. */
export type AnyRow =
  | LocalRow<OperationKind, string, never, unknown>
  | TaskRow<OperationKind, string, never, TaskName, TaskName>;

export interface Flow {
  readonly kind: OperationKind;
  readonly rows: readonly AnyRow[];
  readonly ends: Ends<OperationKind, never>;
}

interface Builder<K extends OperationKind, Out> {
  local<Name extends string, Output>(
    row: Omit<LocalRow<K, Name, Out, Output>, 'on'>,
  ): Builder<K, Out & { readonly [N in Name]: Output }>;
  task<Name extends string, N extends TaskName, U extends TaskName = N>(
    row: TaskRow<K, Name, Out, N, U>,
  ): Builder<K, Out & { readonly [R in Name]: TaskOutput<N> | null }>;
  ends(ends: Ends<K, Out>): Flow;
}

/** Begins the table of one flow. Each row's type knows the outputs of the rows above it, and of no other. */
export function flow<K extends OperationKind>(kind: K): Builder<K, unknown> {
  return build<K, unknown>(kind, []);
}

function build<K extends OperationKind, Out>(kind: K, rows: readonly AnyRow[]): Builder<K, Out> {
  const add = <Next>(row: unknown): Builder<K, Next> => build<K, Next>(kind, [...rows, row as AnyRow]);
  return {
    local: (row) => add({ ...row, on: 'conductor' }),
    task: (row) => add(row),
    ends: (ends) => ({ kind, rows, ends: ends as unknown as Flow['ends'] }),
  };
}
