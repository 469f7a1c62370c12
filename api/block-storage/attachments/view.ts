import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import { resolveIotune } from '#queues/qos/resolve.ts';
import { RATE_KEYS } from '#schema/iotune.ts';
import type { Connection } from '#schema/tasks.ts';
import type { AttachmentRow } from './rows.ts';
import type { ConnectionInfo } from './schema.ts';

export function summaryView(row: Pick<AttachmentRow, 'id' | 'status' | 'server_id' | 'volume_id'>) {
  return { id: row.id, status: row.status, instance: row.server_id, volume_id: row.volume_id };
}

export function detailView(context: RequestContext, row: AttachmentRow) {
  return {
    ...summaryView(row),
    attached_at: attachedAt(row),
    detached_at: '',
    // Cinder's word for a reservation that named none; its connector may.
    attach_mode: row.status === 'reserved' && row.mode_asked === null ? ('null' as const) : row.mode,
    connection_info: connectionInfo(context, row) ?? {},
  };
}

/**
 * What Cinder answers to the request that exports it: the connection, and for the rest the attachment as it was reserved.
 */
export function exportedView(context: RequestContext, row: AttachmentRow) {
  return {
    ...detailView(context, { ...row, status: 'reserved', attached_at: null, connection: null }),
    connection_info: connectionInfo(context, row) ?? {},
  };
}

/** As in Cinder the time runs from the export on, not from the client's word that it has connected. */
function attachedAt({ attached_at, status, updated_at }: AttachmentRow): string {
  const time = attached_at ?? (status === 'attaching' ? updated_at : null);
  return time === null ? '' : isoTime(time);
}

/** What os-brick connects with; undefined before the volume has been exported for this attachment. */
export function connectionInfo(context: RequestContext, row: AttachmentRow): ConnectionInfo | undefined {
  const connection = row.connection === null ? null : (JSON.parse(row.connection) as Connection | null);
  const [portal] = connection?.portals ?? [];
  if (connection === null || portal === undefined) return undefined;
  const { portals, iqn, lun } = connection;
  const connector = row.connector === null ? {} : (JSON.parse(row.connector) as Record<string, unknown>);
  return {
    driver_volume_type: 'iscsi',
    target_discovered: false,
    target_portal: portal,
    target_iqn: iqn,
    target_lun: lun,
    ...((portals.length > 1 || connector['multipath'] === true) && {
      target_portals: portals,
      target_iqns: portals.map(() => iqn),
      target_luns: portals.map(() => lun),
    }),
    volume_id: row.volume_id,
    attachment_id: row.id,
    ...account(context, row),
    // Who does not decrypt what lies there would write over it in clear.
    encrypted: row.encryption_key_id !== null,
    qos_specs: qosSpecs(row),
    access_mode: row.mode,
    cacheable: JSON.parse(row.extra_specs ?? '{}')['cacheable'] === '<is> True',
    enforce_multipath: connector['enforce_multipath'] === true,
  };
}

/**
 * The CHAP account, for those who may connect: somebody who may only look gets none. Nor does anybody when it is our own agent
 * that connects: it has the account already, and a second one at the volume would write past the guest.
 */
function account({ app, caller }: RequestContext, row: AttachmentRow) {
  const mayConnect = caller.isAdmin || caller.roles.includes('member');
  if (row.managed === 1 || !mayConnect || row.chap_username === null || row.chap_secret === null) return {};
  return {
    auth_method: 'CHAP' as const,
    auth_username: row.chap_username,
    auth_password: app.secrets.decrypt(row.chap_secret, row.volume_id),
  };
}

/**
 * What the hypervisor is to enforce, and whatever else stands there; a back end's specs are not its business. What grows with the
 * volume is a number by then, as in Cinder.
 */
function qosSpecs(row: AttachmentRow): Record<string, string | number> | null {
  if (row.consumer === null || row.consumer === 'back-end') return null;
  const specs = JSON.parse(row.specs ?? '{}') as Record<string, string>;
  const limits = resolveIotune({ consumer: row.consumer, specs }, row.size_gib);
  const scaled = RATE_KEYS.filter((key) => specs[`${key}_per_gb`] !== undefined);
  const used = new Set(scaled.flatMap((key) => [`${key}_per_gb`, `${key}_per_gb_min`, `${key}_max`]));
  return Object.fromEntries([
    ...Object.entries(specs).filter(([key]) => !used.has(key)),
    ...scaled.map((key) => [key, limits[key] ?? 0] as const),
  ]);
}
