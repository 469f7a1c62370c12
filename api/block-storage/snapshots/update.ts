import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
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
  const name = changes.name === undefined ? changes.display_name : changes.name;
  const description = changes.description === undefined ? changes.display_description : changes.description;
  if (name === undefined && description === undefined) {
    throw badRequest(
      'Invalid input for field/attribute snapshot. Value: {}. {} is not valid under any of the given schemas',
    );
  }
  const snapshot = await findSnapshot(context, id);
  const values = { ...(name !== undefined && { name }), ...(description !== undefined && { description }) };
  await context.app.db
    .updateTable('snapshots')
    .set({
      ...values,
      updated_at: sqlTime(context.app.clock.now()),
    })
    .where('id', '=', snapshot.id)
    .execute();
  // As in Cinder: when it was last changed before this.
  return { status: 200, body: { snapshot: detailView(context, { ...snapshot, ...values }) } };
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
