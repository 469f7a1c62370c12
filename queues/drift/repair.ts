import type { Kysely } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { HostName, Ids, OperationId, ProjectId, UserId, VolumeId } from '#schema/ids.ts';
import type { OperationKind, RepairInput } from '#schema/operations.ts';
import type { Tables } from '#schema/tables.ts';
import { inColumn } from '../conductor/in-column.ts';
import type { OperationGateway } from '../operations/gateway.ts';
import type { Questions } from '../questions.ts';
import { LostRow, transaction } from '../transaction.ts';
import type { Difference, Repair } from './difference.ts';
import type { DirectTasks } from './direct-tasks.ts';
import { findDrift } from './find.ts';
import { letGo, recount, StillMoving, settleStatus } from './mysql-repairs.ts';

export interface RepairDeps {
  readonly db: Kysely<Tables>;
  readonly questions: Pick<Questions, 'ask'>;
  readonly images: Parameters<typeof findDrift>[0]['images'];
  readonly operations: OperationGateway;
  readonly directTasks: DirectTasks;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** Who repairs, for the operation's timeline. */
export interface Repairer {
  readonly projectId: ProjectId;
  readonly userId: UserId;
  readonly requestId: string;
}

/** Why nothing was done; the message is for whoever asked. */
export class NotRepaired extends Error {
  override readonly name = 'NotRepaired';
  readonly reason: 'no-such-difference' | 'by-hand' | 'data' | 'busy';

  constructor(reason: NotRepaired['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface Repaired {
  /** As it was. */
  readonly difference: Difference;
  /** It is found no longer. */
  readonly repaired: boolean;
  readonly operationId: OperationId | null;
  /** Why the repair failed, where it did. */
  readonly error: string | null;
}

/** How long a repair may take before the answer is that it goes on. */
const WITHIN_MS = 180_000;

/**
 * Looks for one difference, repairs it, and looks again.
 * @param deleteData what may hold data may be removed.
 * @throws NotRepaired
 */
export async function repairOne(
  deps: RepairDeps,
  id: string,
  deleteData: boolean,
  who: Repairer,
): Promise<Repaired> {
  const host = id.split(':', 1)[0];
  const find = async (): Promise<Difference | undefined> =>
    (await findDrift(deps, host)).differences.find((each) => each.id === id);
  const difference = await find();
  if (difference === undefined)
    throw new NotRepaired('no-such-difference', `There is no difference ${id} now.`);
  const { action, care } = difference;
  if (action === null || care === 'none')
    throw new NotRepaired('by-hand', `This needs a person. ${difference.repair}`);
  if (care === 'data' && !deleteData)
    throw new NotRepaired('data', 'This may hold data, which the repair would remove: say that it may.');
  const { operationId, error } = await carryOut(deps, action, who);
  return { difference, repaired: (await find()) === undefined, operationId, error };
}

interface Outcome {
  readonly operationId: OperationId | null;
  readonly error: string | null;
}

async function carryOut(deps: RepairDeps, action: Repair, who: Repairer): Promise<Outcome> {
  switch (action.do) {
    case 'recount':
      return inMysql(recount(deps.db, action.pool));
    case 'let-go':
      return inMysql(letGo(deps.db, action.volumeId));
    case 'settle':
      return inMysql(settleStatus(deps.db, deps.clock, action.volumeId));
    case 'export':
    case 'grow':
      return operate(deps, who, action.volumeId, 'volume.repair', { what: action.do });
    case 'plug':
    case 'tune':
    case 'resize':
      return operate(deps, who, action.volumeId, 'volume.repair', { what: action.do }, action.attachmentId);
    case 'detach':
      return detach(deps, who, action);
    case 'unplug': {
      const { volumeId, host, serverId } = action;
      return eitherWay(deps, who, volumeId, { what: 'unplug', host, serverId }, (tasks) =>
        tasks.run(host as HostName, 'disk.detach', volumeId, { volumeId, serverId, connection: null }),
      );
    }
    case 'disconnect': {
      const { volumeId, host } = action;
      return eitherWay(deps, who, volumeId, { what: 'disconnect', host }, (tasks) =>
        tasks.run(host as HostName, 'connection.absent', volumeId, { volumeId }),
      );
    }
    case 'remove': {
      const { host, backend, kind, id, ownerId } = action;
      return eitherWay(deps, who, ownerId, { what: 'remove', host, backend, kind, id }, (tasks) =>
        tasks.run(host as HostName, 'storage.remove', id, { backend, kind, id }),
      );
    }
    case 'unexport': {
      const { host, volumeId } = action;
      if (await volumeExists(deps, volumeId))
        throw new NotRepaired('by-hand', 'The volume lies on another host: look which of the two is right.');
      return alone(deps, who, volumeId, { what: 'unexport', host }, (tasks) =>
        tasks.run(host as HostName, 'export.absent', volumeId, { volumeId }),
      );
    }
    default:
      return action satisfies never;
  }
}

/** An operation under the volume's lock if MySQL knows the volume; a task alone if not. */
async function eitherWay(
  deps: RepairDeps,
  who: Repairer,
  id: string,
  input: RepairInput,
  task: (tasks: DirectTasks) => Promise<void>,
): Promise<Outcome> {
  if (await volumeExists(deps, id)) return operate(deps, who, id as VolumeId, 'volume.repair', input);
  return alone(deps, who, id, input, task);
}

/**
 * A task of a volume that MySQL does not know is no operation, but who did what when is written down as one that has ended:
 * data may have gone.
 */
async function alone(
  deps: RepairDeps,
  who: Repairer,
  id: string,
  input: object,
  task: (tasks: DirectTasks) => Promise<void>,
): Promise<Outcome> {
  const began = sqlTime(deps.clock.now());
  const error = await task(deps.directTasks).then(
    () => null,
    (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
  );
  const operationId = deps.ids.uuid() as OperationId;
  await deps.db
    .insertInto('operations')
    .values({
      id: operationId,
      kind: 'volume.repair',
      state: error === null ? 'done' : 'undone',
      project_id: who.projectId,
      user_id: who.userId,
      request_id: who.requestId,
      volume_id: id as VolumeId,
      attachment_id: null,
      input: JSON.stringify(input),
      owner: null,
      seq_base: 0,
      error: error === null ? null : inColumn(error),
      created_at: began,
      started_at: began,
      ended_at: sqlTime(deps.clock.now()),
    })
    .execute();
  return { operationId, error };
}

async function volumeExists({ db }: RepairDeps, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('volumes')
    .select('id')
    .where('id', '=', id as VolumeId)
    .executeTakeFirst();
  return row !== undefined;
}

async function inMysql(work: Promise<void>): Promise<Outcome> {
  await work.catch((error: unknown) => {
    throw error instanceof StillMoving ? new NotRepaired('busy', error.message) : error;
  });
  return { operationId: null, error: null };
}

async function operate(
  { db, operations }: RepairDeps,
  who: Repairer,
  volumeId: VolumeId,
  kind: Extract<OperationKind, 'volume.repair'>,
  input: RepairInput,
  attachmentId?: Parameters<OperationGateway['begin']>[1]['attachmentId'],
): Promise<Outcome> {
  const id = await transaction(db, async (tx) => {
    const [volume] = await tx.rows(
      tx.q.selectFrom('volumes').select(['id', 'project_id']).where('id', '=', volumeId).forUpdate(),
    );
    if (volume === undefined) throw new NotRepaired('no-such-difference', 'The volume is gone.');
    return operations.begin(tx, {
      kind,
      volumeId,
      ...(attachmentId !== undefined && { attachmentId }),
      // The project's, so that its users see what was done to their volume.
      projectId: volume.project_id,
      userId: who.userId,
      requestId: who.requestId,
      input,
    });
  });
  return ended(operations, id);
}

async function ended(operations: OperationGateway, id: OperationId): Promise<Outcome> {
  operations.submit(id);
  const { state, error } = await operations.ended(id, WITHIN_MS);
  return { operationId: id, error: state === 'done' ? null : (error ?? `the operation is ${state}`) };
}

/** As a client would detach it, but from a server that is nowhere. */
async function detach(
  { db, operations }: RepairDeps,
  who: Repairer,
  { volumeId, attachmentId }: Extract<Repair, { do: 'detach' }>,
): Promise<Outcome> {
  const id = await transaction(db, async (tx) => {
    const [volume] = await tx.rows(
      tx.q.selectFrom('volumes').select(['id', 'project_id']).where('id', '=', volumeId).forUpdate(),
    );
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'detaching' })
        .where('id', '=', volumeId)
        .where('status', '=', 'in-use'),
    );
    tx.must(
      tx.q
        .updateTable('attachments')
        .set({ status: 'detaching' })
        .where('id', '=', attachmentId)
        .where('status', '=', 'attached'),
    );
    return operations.begin(tx, {
      kind: 'volume.detach',
      volumeId,
      attachmentId,
      projectId: volume?.project_id ?? who.projectId,
      userId: who.userId,
      requestId: who.requestId,
      input: {},
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw new NotRepaired('busy', 'The volume or its attachment has changed meanwhile.');
  });
  return ended(operations, id);
}
