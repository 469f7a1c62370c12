import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, SNAPSHOT_TRANSITIONS, type SnapshotStatus } from '#schema/states.ts';
import { changeMetadataOf, type Metadata } from '../metadata.ts';
import { findSnapshot } from './rows.ts';
import { detailView } from './view.ts';

interface Changes {
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly display_name?: string | null | undefined;
  readonly display_description?: string | null | undefined;
}

export async function updateSnapshot(context: RequestContext, id: string, changes: Changes): Promise<Reply> {
  const snapshot = await findSnapshot(context, id);
  const name = changes.name === undefined ? changes.display_name : changes.name;
  const description = changes.description === undefined ? changes.display_description : changes.description;
  if (name === undefined && description === undefined && context.microversion >= 53) {
    throw badRequest(
      'Invalid input for field/attribute snapshot. Value: {}. {} is not valid under any of the given schemas',
    );
  }
  await context.app.db
    .updateTable('snapshots')
    .set({
      ...(name !== undefined && { name }),
      ...(description !== undefined && { description }),
      updated_at: sqlTime(context.app.clock.now()),
    })
    .where('id', '=', snapshot.id)
    .execute();
  return { status: 200, body: { snapshot: detailView(context, await findSnapshot(context, id)) } };
}

/** @throws ApiError 404 for a snapshot that the caller cannot see. */
export async function changeMetadata(
  context: RequestContext,
  id: string,
  edit: (metadata: Metadata) => Metadata,
): Promise<Metadata> {
  const snapshot = await findSnapshot(context, id);
  return changeMetadataOf(context.app, 'snapshot', snapshot.id, edit);
}

/** Statuses a snapshot may be put into by hand: those that promise no work under way. */
const RESETTABLE: readonly string[] = ['available', 'error'] satisfies SnapshotStatus[];

/** Corrects a snapshot's recorded status, but not while an operation is at work on it. */
export async function resetStatus(context: RequestContext, id: string, wanted: string): Promise<Reply> {
  const status = (Object.keys(SNAPSHOT_TRANSITIONS) as SnapshotStatus[]).find(
    (known) => known === wanted.toLowerCase(),
  );
  if (status === undefined || !RESETTABLE.includes(status)) {
    throw badRequest(
      `Snapshot status: ${wanted.slice(0, 100)} is invalid, valid statuses are: ${RESETTABLE.join(', ')}.`,
    );
  }
  const { db, clock } = context.app;
  const snapshot = await findSnapshot(context, id);
  await transact(db, async (trx) => {
    await trx.selectFrom('snapshots').select('id').where('id', '=', snapshot.id).forUpdate().execute();
    const open = await trx
      .selectFrom('operations')
      .select(['id', 'kind', 'input'])
      .where('volume_id', '=', snapshot.volume_id)
      .where('kind', 'in', ['snapshot.create', 'snapshot.delete'])
      .where('state', 'in', OPEN_OPERATION_STATES)
      .execute();
    const mine = open.find(({ input }) => input.includes(snapshot.id));
    if (mine !== undefined) {
      throw badRequest(
        `Cannot reset-state while operation ${mine.id} (${mine.kind}) is at work on the snapshot.`,
      );
    }
    await trx
      .updateTable('snapshots')
      .set({ status, updated_at: sqlTime(clock.now()) })
      .where('id', '=', snapshot.id)
      .execute();
  });
  return { status: 202 };
}
