import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { AttachmentRow, VolumeRow } from './rows.ts';

/** Cinder's short view of a volume. */
export function summaryView(context: RequestContext, row: VolumeRow) {
  return { id: row.id, name: row.name, links: links(context, row.id) };
}

/**
 * Cinder's full view; fields appear from the microversion that brought them.
 * @param attachments those of this volume; only the finished ones are shown.
 */
export function detailView(context: RequestContext, row: VolumeRow, attachments: readonly AttachmentRow[]) {
  const { caller, microversion } = context;
  const view: Record<string, unknown> = {
    id: row.id,
    status: row.status,
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
    encrypted: false,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: row.multiattach === 1,
    attachments: attachments
      .filter((item) => item.status === 'attached')
      .map((item) => attachmentView(caller.isAdmin, item)),
    'os-vol-tenant-attr:tenant_id': row.project_id,
  };
  if (row.image_metadata !== null) view['volume_image_metadata'] = JSON.parse(row.image_metadata);
  if (caller.isAdmin) {
    view['migration_status'] = null;
    view['os-vol-host-attr:host'] = row.pool;
    view['os-vol-mig-status-attr:migstat'] = null;
    view['os-vol-mig-status-attr:name_id'] = null;
  }
  if (microversion >= 13) view['group_id'] = null;
  if (microversion >= 21 && caller.isAdmin) view['provider_id'] = null;
  if (microversion >= 48) {
    view['shared_targets'] = false;
    view['service_uuid'] = null;
  }
  if (microversion >= 61 && caller.isAdmin) view['cluster_name'] = null;
  if (microversion >= 63) view['volume_type_id'] = row.volume_type_id;
  if (microversion >= 65) view['consumes_quota'] = true;
  return view;
}

function attachmentView(isAdmin: boolean, row: AttachmentRow) {
  return {
    id: row.volume_id,
    attachment_id: row.id,
    volume_id: row.volume_id,
    server_id: row.server_id,
    host_name: isAdmin ? row.host : null,
    device: row.mountpoint,
    attached_at: row.attached_at === null ? null : isoTime(row.attached_at),
  };
}

function links(context: RequestContext, id: string) {
  return [
    { rel: 'self', href: `${context.selfUrl}/volumes/${id}` },
    { rel: 'bookmark', href: `${context.bookmarkUrl}/volumes/${id}` },
  ];
}
