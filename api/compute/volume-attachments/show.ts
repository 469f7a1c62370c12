import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { readPage } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { isUuid, type ServerId, type VolumeId } from '#schema/ids.ts';
import { findServer } from '../servers/rows.ts';

const COLUMNS = ['id', 'volume_id', 'server_id', 'status', 'mountpoint', 'delete_on_termination'] as const;

/** Microversions of Nova that changed this view. */
const TAG_SINCE = 70;
const DELETE_FLAG_SINCE = 79;
const NO_ID_SINCE = 89;

interface Row {
  readonly id: string;
  readonly volume_id: string;
  readonly server_id: string | null;
  readonly mountpoint: string | null;
  readonly delete_on_termination: 0 | 1;
}

function view({ microversion }: RequestContext, row: Row) {
  return {
    ...(microversion < NO_ID_SINCE && { id: row.volume_id }),
    volumeId: row.volume_id,
    serverId: row.server_id ?? '',
    ...(row.mountpoint !== null && { device: devicePath(row.mountpoint) }),
    ...(microversion >= TAG_SINCE && { tag: null }),
    ...(microversion >= DELETE_FLAG_SINCE && {
      delete_on_termination: row.delete_on_termination === 1,
    }),
    ...(microversion >= NO_ID_SINCE && { attachment_id: row.id, bdm_uuid: row.id }),
  };
}

/** Agents may answer with the bare name that libvirt uses. */
export function devicePath(name: string): string {
  return name.startsWith('/') ? name : `/dev/${name}`;
}

export async function listAttached(
  context: RequestContext,
  serverId: string,
  query: Readonly<Record<string, string>>,
): Promise<Reply> {
  const server = await findServer(context, serverId);
  const { limit, offset } = readPage(query);
  const rows = await context.app.db
    .selectFrom('attachments')
    .select(COLUMNS)
    .where('server_id', '=', server.id)
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .offset(offset)
    .execute();
  return { status: 200, body: { volumeAttachments: rows.map((row) => view(context, row)) } };
}

export async function showAttached(
  context: RequestContext,
  serverId: string,
  volumeId: string,
): Promise<Reply> {
  const server = await findServer(context, serverId);
  const row = await findAttached(context, server.id, volumeId);
  return { status: 200, body: { volumeAttachment: view(context, row) } };
}

/** @throws ApiError 404 */
export async function findAttached({ app }: RequestContext, serverId: ServerId, volumeId: string) {
  const row = isUuid(volumeId)
    ? await app.db
        .selectFrom('attachments')
        .select([...COLUMNS, 'managed', 'project_id', 'boot_index'])
        .where('server_id', '=', serverId)
        .where('volume_id', '=', volumeId.toLowerCase() as VolumeId)
        .executeTakeFirst()
    : undefined;
  if (row === undefined) {
    throw new ApiError(404, `Instance ${serverId} is not attached to volume ${volumeId.slice(0, 255)}`);
  }
  return row;
}
