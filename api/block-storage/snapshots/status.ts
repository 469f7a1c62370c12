import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, SNAPSHOT_STATUSES, type SnapshotStatus } from '#schema/states.ts';
import { findSnapshot, type SnapshotRow } from './rows.ts';

/** Cinder's own list, in its order. */
const CINDER_STATUSES = [
  'error',
  'available',
  'creating',
  'deleting',
  'deleted',
  'updating',
  'error_deleting',
  'unmanaging',
  'backing-up',
  'restoring',
];

/** What a driver's client may tell of a snapshot that it makes or deletes, in Cinder's words. */
const TOLD: Readonly<Partial<Record<SnapshotStatus, readonly SnapshotStatus[]>>> = {
  creating: ['creating', 'available', 'error'],
  deleting: ['deleting', 'error_deleting'],
};

/** Corrects a snapshot's recorded status, but not while an operation is at work on it. */
export async function resetStatus(context: RequestContext, id: string, wanted: string): Promise<Reply> {
  const given = wanted.toLowerCase();
  if (!CINDER_STATUSES.includes(given)) {
    throw badRequest(
      `Snapshot status: ${wanted.slice(0, 100).toWellFormed()} is invalid, valid statuses are: (${CINDER_STATUSES.map((one) => `'${one}'`).join(', ')}).`,
    );
  }
  const status = SNAPSHOT_STATUSES.find((known) => known === given);
  if (status === undefined) throw badRequest(`Cannot reset-state to ${given}`);
  const snapshot = await findSnapshot(context, id);
  await transaction(context.app.db, async (tx) => {
    await lockIdle(tx, snapshot);
    tx.later(
      tx.q
        .updateTable('snapshots')
        .set({ status, updated_at: sqlTime(context.app.clock.now()) })
        .where('id', '=', snapshot.id),
    );
  });
  return { status: 202 };
}

/** `os-update_snapshot_status` */
export async function updateStatus(
  context: RequestContext,
  id: string,
  told: { readonly status: string; readonly progress?: string | null | undefined },
): Promise<Reply> {
  const progress = checkProgress(told.progress ?? '');
  const snapshot = await findSnapshot(context, id);
  await transaction(context.app.db, async (tx) => {
    await lockIdle(tx, snapshot);
    const allowed = TOLD[snapshot.status];
    if (allowed === undefined) {
      throw badRequest(`Snapshot status ${snapshot.status} not allowed for update_snapshot_status`);
    }
    const status = allowed.find((one) => one === told.status);
    if (status === undefined) {
      throw badRequest(
        `Provided snapshot status ${told.status.slice(0, 100).toWellFormed()} not allowed for snapshot with status ${snapshot.status}.`,
      );
    }
    tx.later(
      tx.q
        .updateTable('snapshots')
        .set({ status, ...(progress !== '' && { progress }), updated_at: sqlTime(context.app.clock.now()) })
        .where('id', '=', snapshot.id)
        .where('status', '=', snapshot.status),
    );
  });
  return { status: 202 };
}

function checkProgress(text: string): string {
  if (text === '') return text;
  const digits = text.slice(0, -1);
  if (!/^\s*[+-]?\d+\s*$/.test(digits)) throw invalidInput('progress must be an integer percentage');
  const value = Number(digits);
  if (value < 0 || value > 100 || !text.endsWith('%')) {
    throw invalidInput('progress must be an integer percentage between 0 and 100');
  }
  return `${value}%`;
}

/** Holds the snapshot's row. @throws ApiError 400 while an operation of ours is at work on it. */
export async function lockIdle(tx: Tx, snapshot: SnapshotRow): Promise<void> {
  tx.later(tx.q.selectFrom('snapshots').select('id').where('id', '=', snapshot.id).forUpdate());
  const [open] = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select(['id', 'kind'])
      .where('state', 'in', OPEN_OPERATION_STATES)
      // What it is of says the operation's input: a backup of it is not an operation of its volume.
      .where('input', 'like', `%${snapshot.id}%`)
      .where('kind', '<>', 'volume.create')
      .limit(1),
  );
  if (open === undefined) return;
  throw badRequest(
    `Cannot change the status while operation ${open.id} (${open.kind}) is at work on the snapshot.`,
  );
}
