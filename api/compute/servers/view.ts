import type { Caller, RequestContext } from '#api/http/context.ts';
import { asSeenBy } from '#api/http/places.ts';
import type { AttachmentsTable } from '#schema/tables.ts';
import type { KeptFlavor } from '../flavors/rows.ts';
import { type ServerRow, STATES } from './rows.ts';

export type ServerVolume = Pick<AttachmentsTable, 'server_id' | 'volume_id'> & {
  readonly delete_on_termination: 0 | 1;
};

/** Microversions of Nova that changed the server's view. */
const DELETE_FLAG_SINCE = 3;
const LOCKED_SINCE = 9;
const DESCRIPTION_SINCE = 19;
const TAGS_SINCE = 26;
const FLAVOR_INSIDE_SINCE = 47;

/** What an action under way makes of the status. */
const BUSY_STATUS: Readonly<Record<string, string>> = {
  rebooting: 'REBOOT',
  rebooting_hard: 'HARD_REBOOT',
};

export function linksOf({ selfUrl, bookmarkUrl }: RequestContext, id: string) {
  return [
    { rel: 'self', href: `${selfUrl}/servers/${id}` },
    { rel: 'bookmark', href: `${bookmarkUrl}/servers/${id}` },
  ];
}

export function summaryView(context: RequestContext, row: ServerRow) {
  return { id: row.id, name: row.name, links: linksOf(context, row.id) };
}

export function detailView(
  context: RequestContext,
  row: ServerRow,
  volumes: readonly ServerVolume[],
  zone: string,
) {
  const [vmState, powerState] = STATES[row.status] ?? ['building', 0];
  const { microversion, caller } = context;
  return {
    ...summaryView(context, row),
    status: BUSY_STATUS[row.task_state ?? ''] ?? row.status,
    tenant_id: row.project_id,
    user_id: row.user_id,
    created: seconds(row.created_at),
    updated: seconds(row.updated_at),
    hostId: row.host ?? '',
    flavor: flavorView(context, row),
    addresses: {},
    metadata: JSON.parse(row.metadata ?? '{}') as Record<string, string>,
    image: '' as const,
    key_name: null,
    config_drive: '' as const,
    accessIPv4: '' as const,
    accessIPv6: '' as const,
    'OS-DCF:diskConfig': 'MANUAL' as const,
    'OS-EXT-STS:vm_state': vmState,
    'OS-EXT-STS:task_state': row.task_state,
    'OS-EXT-STS:power_state': powerState,
    'OS-EXT-AZ:availability_zone': zone,
    ...(row.status === 'ERROR' && row.fault !== null && { fault: faultView(caller, row) }),
    ...(microversion >= LOCKED_SINCE && { locked: false as const }),
    ...(microversion >= DESCRIPTION_SINCE && { description: null }),
    ...(microversion >= TAGS_SINCE && { tags: [] }),
    ...(caller.isAdmin && {
      'OS-EXT-SRV-ATTR:host': row.host,
      'OS-EXT-SRV-ATTR:hypervisor_hostname': row.host,
    }),
    'os-extended-volumes:volumes_attached': volumes.map((volume) => ({
      id: volume.volume_id,
      ...(microversion >= DELETE_FLAG_SINCE && {
        delete_on_termination: volume.delete_on_termination === 1,
      }),
    })),
  };
}

function faultView(caller: Caller, row: ServerRow) {
  const message = asSeenBy(caller, row.fault ?? '');
  return { code: 500 as const, message, created: seconds(row.updated_at) };
}

/** A domain that an agent found has no flavor: it is described by what it has, or before 2.47 named after it. */
function flavorView(context: RequestContext, row: ServerRow) {
  const kept = row.flavor === null ? null : (JSON.parse(row.flavor) as KeptFlavor);
  const name = kept?.name ?? `${row.vcpus}-vcpu-${row.memory_mib}-mib`;
  if (context.microversion < FLAVOR_INSIDE_SINCE) {
    if (kept === null) return { id: name, links: [] };
    const href = `${context.bookmarkUrl}/flavors/${encodeURIComponent(kept.id)}`;
    return { id: kept.id, links: [{ rel: 'bookmark', href }] };
  }
  return {
    original_name: name,
    vcpus: kept?.vcpus ?? row.vcpus,
    ram: kept?.ram ?? row.memory_mib,
    disk: kept?.disk ?? 0,
    ephemeral: 0,
    swap: 0,
    extra_specs: kept?.extra_specs ?? {},
  };
}

/** `2026-01-31T12:00:00Z` of a DATETIME's text. */
function seconds(text: string): string {
  return `${text.slice(0, 19).replace(' ', 'T')}Z`;
}
