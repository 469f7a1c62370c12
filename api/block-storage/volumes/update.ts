import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { attachmentsOf, findVolume, type VolumeRow } from './rows.ts';
import { detailView, visibleFacts } from './view.ts';

interface Changes {
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly display_name?: string | null | undefined;
  readonly display_description?: string | null | undefined;
  readonly metadata?: Record<string, string> | undefined;
}

/** Changes what a user wrote about a volume; metadata is replaced as a whole. */
export async function updateVolume(context: RequestContext, id: string, changes: Changes): Promise<Reply> {
  if (context.microversion >= 53 && Object.keys(changes).length === 0) {
    throw badRequest(
      'Invalid input for field/attribute volume. Value: {}. {} is not valid under any of the given schemas',
    );
  }
  const volume = await findVolume(context, id);
  refuseInMaintenance(volume);
  const values: { name?: string | null; description?: string | null; metadata?: string } = {};
  const name = changes.name === undefined ? changes.display_name : changes.name;
  const description = changes.description === undefined ? changes.display_description : changes.description;
  if (name !== undefined) values.name = name;
  if (description !== undefined) values.description = description;
  if (changes.metadata !== undefined) values.metadata = JSON.stringify(changes.metadata);
  if (Object.keys(values).length > 0) {
    await context.app.db
      .updateTable('volumes')
      .set({ ...values, updated_at: sqlTime(context.app.clock.now()) })
      .where('id', '=', volume.id)
      .execute();
  }
  // As in Cinder: when it was last changed before this.
  const row: VolumeRow = { ...volume, ...values };
  const attachments = (await attachmentsOf(context.app.db, [row])).get(row.id) ?? [];
  const view = detailView(context, row, attachments);
  const metadata = { ...(view['metadata'] as object), ...visibleFacts(row, attachments) };
  return { status: 200, body: { volume: { ...view, metadata } } };
}

/** @throws ApiError 400 while the volume is being moved. */
export function refuseInMaintenance({ status }: VolumeRow): void {
  if (status === 'maintenance') throw invalidVolume('The volume cannot be updated during maintenance.');
}
