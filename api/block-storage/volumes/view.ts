import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { AttachmentRow, VolumeRow } from './rows.ts';
import { serviceUuid } from './service-uuid.ts';

/** Cinder's short view of a volume. */
export function summaryView(context: RequestContext, row: VolumeRow) {
  return { id: row.id, name: row.name, links: links(context, row.id) };
}

/**
 * What `show` and `detail` tell besides `detailView`: what Cinder's extensions add to these two replies and to no other.
 * @param attachments as for `detailView`
 */
export function extendedView(
  context: RequestContext,
  row: VolumeRow,
  attachments: readonly AttachmentRow[],
): Record<string, unknown> {
  const view = detailView(context, row, attachments);
  view['metadata'] = { ...(view['metadata'] as object), ...visibleFacts(row, attachments) };
  view['os-vol-tenant-attr:tenant_id'] = row.project_id;
  if (row.image_metadata !== null) view['volume_image_metadata'] = JSON.parse(row.image_metadata);
  if (context.caller.isAdmin) {
    view['os-vol-host-attr:host'] = row.pool;
    view['os-vol-mig-status-attr:migstat'] = row.migration_status;
    view['os-vol-mig-status-attr:name_id'] = null;
  }
  return view;
}

/** What Cinder keeps of a volume for itself and shows among the metadata. */
export function visibleFacts(
  row: Pick<VolumeRow, 'readonly'>,
  attachments: readonly AttachmentRow[],
): Record<string, string> {
  // Only the older actions write the mode down, and they know a device; a reservation that was completed has none.
  const noted = attachments.find(
    ({ status, initiator, mountpoint }) => status === 'attached' && initiator === null && mountpoint !== null,
  );
  return {
    ...(row.readonly !== null && { readonly: row.readonly === 1 ? 'True' : 'False' }),
    ...(noted !== undefined && { attached_mode: noted.mode }),
  };
}

/** Statuses that Cinder keeps to itself, and what it says instead. */
const SAID: Readonly<Partial<Record<VolumeStatus, string>>> = {
  managing: 'creating',
  error_managing: 'error',
};

/**
 * Cinder's full view; fields appear from the microversion that brought them.
 * @param attachments those of this volume; only the finished ones are shown.
 */
export function detailView(context: RequestContext, row: VolumeRow, attachments: readonly AttachmentRow[]) {
  const { caller, microversion } = context;
  const seesHosts = caller.isAdmin || caller.roles.includes('service');
  const view: Record<string, unknown> = {
    id: row.id,
    status: SAID[row.status] ?? row.status,
    size: row.size_gib,
    availability_zone: row.availability_zone,
    created_at: isoTime(row.created_at),
    updated_at: row.updated_at === null ? null : isoTime(row.updated_at),
    name: row.name,
    description: row.description,
    volume_type: row.type_name,
    snapshot_id: row.snapshot_id,
    source_volid: row.source_volume_id,
    metadata: JSON.parse(row.metadata) as unknown,
    links: links(context, row.id),
    user_id: row.user_id,
    bootable: row.bootable === 1 ? 'true' : 'false',
    encrypted: row.encryption_key_id !== null,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: row.multiattach === 1,
    attachments: attachments
      .filter((item) => item.status === 'attached')
      .map((item) => attachmentView(seesHosts, item)),
  };
  if (caller.isAdmin) view['migration_status'] = row.migration_status;
  if (microversion >= 13) view['group_id'] = row.group_id;
  if (microversion >= 21 && caller.isAdmin) view['provider_id'] = null;
  if (microversion >= 48) {
    view['shared_targets'] = false;
    view['service_uuid'] = row.pool === null ? null : serviceUuid(row.pool);
  }
  if (microversion >= 61 && caller.isAdmin) view['cluster_name'] = null;
  if (microversion >= 63) view['volume_type_id'] = row.volume_type_id;
  if (microversion >= 64 && row.encryption_key_id !== null) view['encryption_key_id'] = row.encryption_key_id;
  if (microversion >= 65) view['consumes_quota'] = true;
  return view;
}

function attachmentView(seesHosts: boolean, row: AttachmentRow) {
  return {
    id: row.volume_id,
    attachment_id: row.id,
    volume_id: row.volume_id,
    server_id: row.server_id,
    host_name: seesHosts ? row.host : null,
    // Cinder's word where the connector named none.
    device: row.mountpoint ?? (row.initiator === null ? null : 'na'),
    attached_at: row.attached_at === null ? null : isoTime(row.attached_at),
  };
}

function links(context: RequestContext, id: string) {
  return [
    { rel: 'self', href: `${context.selfUrl}/volumes/${id}` },
    { rel: 'bookmark', href: `${context.bookmarkUrl}/volumes/${id}` },
  ];
}
