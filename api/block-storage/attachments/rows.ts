import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { type AttachmentId, isUuid } from '#schema/ids.ts';
import type { AttachmentsTable, QosSpecsTable, VolumesTable } from '#schema/tables.ts';

/** An attachment with what its view needs of the volume and its QoS spec. */
export type AttachmentRow = Selectable<AttachmentsTable> & {
  readonly size_gib: number;
  readonly encryption_key_id: VolumesTable['encryption_key_id'];
  readonly consumer: QosSpecsTable['consumer'] | null;
  readonly specs: string | null;
  /** Of its volume's type. */
  readonly extra_specs: string | null;
};

/** Every attachment, with the volume's part; the caller narrows it down. */
export function selectAttachments({ app }: RequestContext) {
  return app.db
    .selectFrom('attachments')
    .innerJoin('volumes', 'volumes.id', 'attachments.volume_id')
    .leftJoin('volume_types', 'volume_types.id', 'volumes.volume_type_id')
    .leftJoin('qos_specs', 'qos_specs.id', 'volume_types.qos_specs_id')
    .selectAll('attachments')
    .select([
      'volumes.size_gib',
      'volumes.encryption_key_id',
      'qos_specs.consumer',
      'qos_specs.specs',
      'volume_types.extra_specs',
    ]);
}

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findAttachment(context: RequestContext, id: string): Promise<AttachmentRow> {
  const { caller } = context;
  const row = isUuid(id)
    ? await selectAttachments(context)
        .where('attachments.id', '=', id.toLowerCase() as AttachmentId)
        .executeTakeFirst()
    : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw noAttachment(id);
  }
  return row;
}

export function noAttachment(id: string): ApiError {
  return new ApiError(
    404,
    `Volume attachment could not be found with filter: attachment_id = ${id.slice(0, 255)}.`,
  );
}
