import type { Updateable } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import { type OperationInputs, type OperationKind, SEQ_PER_OPERATION } from '#schema/operations.ts';
import type { OperationState } from '#schema/states.ts';
import type { OperationStepsTable, Tables } from '#schema/tables.ts';
import { TaskError } from '#schema/tasks.ts';
import { underSpan } from '#telemetry/tracing.ts';
import type { AnyRow, Flow, Run } from '../flows/flow.ts';
import { FLOWS } from '../flows/index.ts';
import { isAwaited } from '../flows/volume-create.ts';
import { reach } from '../stopping-points.ts';
import { LostRow, type Tx, transaction } from '../transaction.ts';
import { type Claim, claim, NotOurs, VolumeGone } from './claim.ts';
import type { EngineDeps } from './deps.ts';
import type { WhenDown } from './dispatcher.ts';
import { HostDown } from './host-down.ts';
import { inColumn } from './in-column.ts';
import { isInfrastructure } from './infrastructure.ts';
import { ended, tookUp, traceOf } from './observed.ts';
import { performTask } from './perform-task.ts';

type AnyRun = Run<OperationKind, never>;
type LocalRow = Extract<AnyRow, { on: 'conductor' }>;

/** Milliseconds between attempts of an undo (and of a forward-only step) that failed; then it is a person's turn. */
const PATIENCE_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000] as const;
/** Milliseconds between later attempts of what is tried without end, and what it is tried again for: the others never pass. */
const ENDLESS_MS = 60_000;
const ENDLESS = ['failed', 'refused', 'guest-busy'] as const satisfies readonly TaskError['code'][];

/**
 * Carries one operation to its end: done, undone, or stuck with the reason. Resolves without having done anything
 * when the operation is not ours to run. Rejects when MySQL or Redis fails: the sweeper has it taken up again.
 */
export async function runOperation(deps: EngineDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  try {
    await reach('conductor.picked');
    const operation = await takeUp(deps, id, signal);
    await underSpan(operation.trace, () => operation.run());
  } catch (error) {
    if (error instanceof VolumeGone) await giveUp(deps, id);
    else if (!(error instanceof NotOurs || error instanceof LostRow)) throw error;
  }
}

async function giveUp({ db, clock }: EngineDeps, id: OperationId): Promise<void> {
  await db
    .updateTable('operations')
    .set({ state: 'stuck', error: 'its volume or backup no longer exists', ended_at: sqlTime(clock.now()) })
    .where('id', '=', id)
    .where('owner', 'is', null)
    .execute();
}

/** Claims the operation, and where its first row is the conductor's own, does that in the same transaction. */
async function takeUp(deps: EngineDeps, id: OperationId, signal: AbortSignal): Promise<Operation> {
  const attempt = (): Promise<Operation> =>
    transaction(deps.db, async (tx) => {
      const operation = new Operation(deps, await claim(tx, deps, id), signal);
      await operation.firstLocalRow(tx);
      return operation;
    });
  try {
    return await attempt().catch((error: unknown) => {
      if (!(error instanceof LostRow)) throw error;
      // Placement chose from memory, and the room was gone: now it reads anew.
      deps.placement.forget();
      return attempt();
    });
  } catch (error) {
    if (isNotFailure(error)) throw error;
    const operation = await transaction(
      deps.db,
      async (tx) => new Operation(deps, await claim(tx, deps, id), signal),
    );
    return operation.failed(error, 0);
  }
}

class Operation {
  readonly #deps: EngineDeps;
  readonly #claim: Claim;
  readonly #flow: Flow;
  #run: AnyRun;
  readonly #out: Record<string, unknown> = {};
  readonly #signal: AbortSignal;
  /** Rows whose host was down before it ever saw them. */
  readonly #untouched = new Set<string>();
  /** Why it turns back, and at which row. */
  #failure: { error: string; row: number } | null = null;

  constructor(deps: EngineDeps, claimed: Claim, signal: AbortSignal) {
    this.#deps = deps;
    this.#claim = claimed;
    this.#flow = FLOWS[claimed.facts.operation.kind as OperationKind];
    this.#signal = signal;
    this.#run = {
      facts: claimed.facts,
      out: this.#out as never,
      clock: deps.clock,
      placement: deps.placement,
      evicts: this.#flow.rows.some((row) => isEviction(claimed.timeline.done(row.name, 'undo'))),
      error: null,
      outrun: false,
    };
    for (const row of this.#flow.rows) {
      const record = claimed.timeline.done(row.name, 'do');
      if (record !== undefined) this.#out[row.name] = JSON.parse(record.output ?? 'null');
    }
    if (claimed.facts.operation.state === 'undoing') {
      this.#failure = { error: claimed.facts.operation.error ?? '', row: this.#flow.rows.length - 1 };
    }
  }

  failed(error: unknown, row: number): this {
    this.#failure = { error: messageOf(error), row };
    return this;
  }

  /** The span that its steps belong to: whichever conductor ends the operation tells of it. */
  get trace(): string | null {
    return traceOf(this.#claim.facts.operation);
  }

  async firstLocalRow(tx: Tx): Promise<void> {
    const [row] = this.#flow.rows;
    if (row?.on !== 'conductor' || row.name in this.#out || this.#failure !== null) return;
    await this.#doLocal(tx, row);
    this.#claim.timeline.write(tx);
  }

  async run(): Promise<void> {
    this.#claim.timeline.written();
    tookUp(this.#claim, this.#deps.clock.now());
    await reach('conductor.claimed', this.#flow.kind);
    if (this.#failure === null) await this.#forward();
    else if (this.#claim.facts.operation.state !== 'undoing') await this.#turnBack();
    if (this.#failure !== null) await this.#backward();
  }

  async #forward(): Promise<void> {
    for (const [index, row] of this.#flow.rows.entries()) {
      if (row.name in this.#out) continue;
      try {
        if (row.on === 'conductor') await this.#commit((tx) => this.#doLocal(tx, row));
        else this.#out[row.name] = await this.#doTask(row, index);
      } catch (error) {
        if (isNotFailure(error)) throw error;
        if (error instanceof HostDown && !error.begun) this.#untouched.add(row.name);
        if (row.on !== 'conductor' && isPassedOver(row, error)) {
          this.#out[row.name] = null;
          continue;
        }
        if (isStale(error)) return this.#outrun(messageOf(error));
        if (row.on !== 'conductor' && isFinal(row, error)) return this.#end('stuck', messageOf(error));
        const past = await this.#whoIsPast(index);
        if (past !== null) return this.#outrun(`${messageOf(error)}; and before turning back: ${past}`);
        this.failed(error, index);
        return this.#turnBack();
      }
    }
    return this.#end('done', null);
  }

  /**
   * A host has carried out more for the volume than MySQL knows of, which so is older than the hosts (restored, or a replica that was
   * behind). The numbers of undos are newer than all of this operation's steps: they would be accepted, and must not be tried.
   */
  #outrun(reason: string): Promise<void> {
    this.#run = { ...this.#run, outrun: true };
    return this.#end('stuck', reason);
  }

  /**
   * Whoever takes an operation up has it from a MySQL that may be older than the hosts. Before anything is undone the hosts whose exports
   * are known to be made for it are asked for the same again, by the same numbers: one that is past it, or has the volume no longer,
   * says so. The undo of such a row would wait for its host as well.
   * Nobody is let in again by that: a detach by force takes the volume from no operation that lets somebody in, and whatever has been cut
   * off since has a newer number, which the host remembers.
   * @returns what it said; null when nobody is past it.
   */
  async #whoIsPast(index: number): Promise<string | null> {
    if (this.#claim.epoch === 1) return null;
    for (const [at, row] of this.#flow.rows.slice(0, index).entries()) {
      if (row.on === 'conductor' || row.task !== 'export.ensure' || !(row.name in this.#out)) continue;
      const call = row.do(this.#run);
      if (call === null) continue;
      try {
        await this.#perform(row.name, 'do', row.on, row.task, call, at, undefined, 'wait', row.lane);
      } catch (error) {
        if (isNotFailure(error)) throw error;
        if (isStale(error) || isNotFound(error)) return messageOf(error);
      }
    }
    return null;
  }

  async #turnBack(): Promise<void> {
    const error = this.#failure?.error ?? null;
    await this.#commit(async () => undefined, { state: 'undoing', error });
    await reach('conductor.turned', this.#flow.kind);
  }

  /** Undoes in reverse order whatever may have been done, the row that failed included. */
  async #backward(): Promise<void> {
    const { timeline } = this.#claim;
    for (const [index, row] of [...this.#flow.rows.entries()].toReversed()) {
      if (
        'none' in row.undo ||
        !this.#mayHaveBegun(row, index) ||
        timeline.done(row.name, 'undo') !== undefined
      )
        continue;
      try {
        if (row.on === 'conductor') await this.#commit(async (tx) => this.#undoLocal(tx, row));
        else await this.#undoTask(row, index);
      } catch (error) {
        if (isNotFailure(error)) throw error;
        const reason = `${this.#failure?.error}; and undoing step "${row.name}" failed: ${messageOf(error)}`;
        return isStale(error) ? this.#outrun(reason) : this.#end('stuck', reason);
      }
    }
    return this.#end('undone', this.#failure?.error ?? null);
  }

  /**
   * A conductor's row is recorded by the very transaction that does it. A task may have been sent by a conductor
   * that died before it wrote that down, so after a take-over every task behind done local rows counts as begun.
   */
  #mayHaveBegun(row: AnyRow, index: number): boolean {
    if (row.on === 'conductor') return row.name in this.#out;
    const before = this.#flow.rows.slice(0, index);
    if (before.some((earlier) => earlier.on === 'conductor' && !(earlier.name in this.#out))) return false;
    if (this.#claim.epoch > 1) return true;
    return this.#claim.timeline.begun(row.name) && !this.#untouched.has(row.name);
  }

  async #doLocal(tx: Tx, row: LocalRow): Promise<void> {
    const started = this.#now();
    const output = await row.do(tx, this.#run);
    this.#recordLocal(row, 'do', started, output);
    this.#out[row.name] = output;
  }

  #undoLocal(tx: Tx, row: LocalRow): void {
    const started = this.#now();
    if (typeof row.undo === 'function') row.undo(tx, this.#run);
    this.#recordLocal(row, 'undo', started, null);
  }

  #recordLocal(row: LocalRow, direction: 'do' | 'undo', started: string, output: unknown): void {
    this.#claim.timeline.record({
      ...this.#claim.timeline.place(row.name, direction),
      name: row.name,
      direction,
      host: 'conductor',
      state: 'done',
      output: JSON.stringify(output),
      error: null,
      started_at: started,
      ended_at: this.#now(),
    });
  }

  async #doTask(row: Exclude<AnyRow, LocalRow>, index: number): Promise<unknown> {
    const call = row.do(this.#run);
    if (call === null) return null;
    // A conductor before this one may have sent what must be finished. Redis could not tell: what it shows of that task may be older than
    // what the host was at, or gone because it was done.
    const waits = row.waits === true || (row.finishes === true && this.#mayHaveBegun(row, index));
    const attempt = (): Promise<unknown> =>
      this.#perform(
        row.name,
        'do',
        row.on,
        row.task,
        call,
        index,
        waits ? undefined : withinMs(row, this.#claim.facts),
        waits ? 'wait' : row.finishes ? 'fail-unless-begun' : 'fail',
        row.lane,
      );
    if (row.endless) return this.#endlessly(attempt);
    return row.waits ? this.#patiently(attempt, (code) => code === 'failed') : attempt();
  }

  async #undoTask(row: Exclude<AnyRow, LocalRow>, index: number): Promise<void> {
    if ('none' in row.undo) return;
    const { task, orEvict } = row.undo;
    const call = row.undo.do(this.#run);
    if (call === null) return;
    // Absent already is what an undo is after.
    await this.#patiently(
      () =>
        this.#perform(
          row.name,
          'undo',
          row.on,
          task,
          call,
          LAST_SEQ - index,
          undefined,
          orEvict ? 'fail' : 'wait',
          row.lane,
        ),
      (code) => code === 'failed' || code === 'guest-busy',
    ).catch((error: unknown) => {
      if (error instanceof HostDown) return this.#evict(row.name);
      if (!(error instanceof TaskError && error.code === 'not-found')) throw error;
    });
  }

  /** The host is down and stays as it is for now; what is above shuts it out, and the end writes down that it is to be cleared. */
  #evict(name: string): void {
    this.#claim.timeline.record({
      ...this.#claim.timeline.place(name, 'undo'),
      name,
      direction: 'undo',
      host: 'conductor',
      state: 'done',
      output: EVICTED,
      error: null,
      started_at: this.#now(),
      ended_at: this.#now(),
    });
    this.#run = { ...this.#run, evicts: true };
  }

  async #patiently<T>(work: () => Promise<T>, worthIt: (code: TaskError['code']) => boolean): Promise<T> {
    for (const wait of PATIENCE_MS) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof HostDown || !(error instanceof TaskError && worthIt(error.code))) throw error;
        await this.#deps.pause(wait, this.#signal);
      }
    }
    return work();
  }

  async #endlessly<T>(work: () => Promise<T>): Promise<T> {
    for (let tried = 0; ; tried++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TaskError && (ENDLESS as readonly string[]).includes(error.code))) throw error;
        // Whoever looks sees why it lasts.
        await this.#commit(async () => undefined);
        await this.#deps.pause(PATIENCE_MS[tried] ?? ENDLESS_MS, this.#signal);
      }
    }
  }

  async #perform(
    ...[name, direction, on, task, call, offset, withinMs, whenDown, lane]: PerformArguments
  ): Promise<unknown> {
    const { facts, epoch, timeline } = this.#claim;
    // A host that has begun this one refuses its earlier ones: a conductor after us must know that they are done.
    if (this.#flow.rows.some((row) => row.on === on && timeline.unwritten(row.name, call.host)))
      await this.#commit(async () => undefined);
    return performTask(
      { dispatcher: this.#deps.dispatcher, timeline, now: () => this.#now() },
      {
        name,
        direction,
        on,
        task,
        call,
        operation: facts.operation,
        epoch,
        offset,
        withinMs,
        whenDown,
        lane,
      },
      () => this.#commit(async () => undefined),
    );
  }

  /** Closes the operation, and with it its last steps and the volume's next status, in one transaction. */
  async #end(
    state: Extract<OperationState, 'done' | 'undone' | 'stuck'>,
    error: string | null,
  ): Promise<void> {
    const { operation } = this.#claim.facts;
    await this.#commit(async (tx) => this.#flow.ends[state](tx, { ...this.#run, error }), {
      state,
      error,
      owner: null,
      ended_at: this.#now(),
    });
    ended(operation, state, error, this.#deps.clock.now(), this.#deps.log);
    await reach('conductor.ended', this.#flow.kind);
    this.#deps.ended(operation.id, await this.#nextInLine(), operation.project_id);
  }

  async #nextInLine(): Promise<OperationId | null> {
    const { operation, input } = this.#claim.facts;
    // Nothing is accepted for a volume that is being deleted; nor for one that is being created, but a server that
    // has it from its making on.
    if (operation.kind === 'volume.delete') return null;
    if (operation.kind === 'volume.create' && !isAwaited(input as OperationInputs['volume.create']))
      return null;
    const { backup_id: backupId, volume_id: volumeId } = operation;
    const held =
      backupId === null
        ? this.#deps.db.selectFrom('volumes').select('operation_id').where('id', '=', volumeId)
        : this.#deps.db.selectFrom('backups').select('operation_id').where('id', '=', backupId);
    return (await held.executeTakeFirst())?.operation_id ?? null;
  }

  /** One transaction that is void unless the operation is still ours: the epoch is the fencing token. */
  async #commit(
    work: (tx: Tx) => Promise<void>,
    changes: Updateable<Tables['operations']> = {},
  ): Promise<void> {
    const { facts, epoch, timeline } = this.#claim;
    await transaction(this.#deps.db, async (tx) => {
      tx.must(
        tx.q
          .updateTable('operations')
          .set({ ...changes, epoch })
          .where('id', '=', facts.operation.id)
          .where('epoch', '=', epoch),
      );
      await work(tx);
      timeline.write(tx);
    });
    timeline.written();
  }

  #now(): string {
    return sqlTime(this.#deps.clock.now());
  }
}

/** Undos count down from the operation's last number, so that each is newer than every step before it. */
const LAST_SEQ = SEQ_PER_OPERATION - 1;

type PerformArguments = [
  name: string,
  direction: 'do' | 'undo',
  on: 'storage' | 'compute',
  task: Parameters<typeof performTask>[1]['task'],
  call: NonNullable<Parameters<typeof performTask>[1]['call']>,
  offset: number,
  withinMs: number | undefined,
  whenDown: WhenDown,
  lane: string | undefined,
];

/** The output of an undo that left a host as it is. */
const EVICTED = JSON.stringify({ evicted: true });

function isEviction(step: Pick<OperationStepsTable, 'output'> | undefined): boolean {
  const output = JSON.parse(step?.output ?? 'null') as { evicted?: boolean } | null;
  return output?.evicted === true;
}

const WITHIN_S = 60;

function withinMs({ withinS = WITHIN_S }: Exclude<AnyRow, LocalRow>, facts: Claim['facts']): number {
  return (typeof withinS === 'number' ? withinS : withinS(facts)) * 1_000;
}

/** The flow goes on all the same. */
function isPassedOver({ optional, orAbsent }: Exclude<AnyRow, LocalRow>, error: unknown): boolean {
  return optional !== undefined || (orAbsent !== undefined && isNotFound(error));
}

/** There is no way back from this failure of the row. */
function isFinal({ orStuck }: Exclude<AnyRow, LocalRow>, error: unknown): boolean {
  return typeof orStuck === 'function' ? error instanceof TaskError && orStuck(error.code) : orStuck === true;
}

function isStale(error: unknown): boolean {
  return error instanceof TaskError && error.code === 'stale';
}

function isNotFound(error: unknown): boolean {
  return error instanceof TaskError && error.code === 'not-found';
}

/** The work has neither been done nor gone wrong: somebody else has it, or a server is away. */
function isNotFailure(error: unknown): boolean {
  return (
    error instanceof NotOurs ||
    error instanceof VolumeGone ||
    error instanceof LostRow ||
    isInfrastructure(error)
  );
}

function messageOf(error: unknown): string {
  return inColumn(error instanceof Error ? error.message : String(error));
}
