import { type Clock, sqlTimeToMs } from '#schema/clock.ts';
import { asId, type HostName, type VolumeId } from '#schema/ids.ts';
import { type ComputeReport, DOWN_AFTER_S } from '#schema/reports.ts';
import type { Tx } from '../transaction.ts';

/** What of a compute agent's report is kept with its service. */
export type ComputeDetails = Pick<ComputeReport, 'initiator' | 'ip' | 'room'>;

export interface WantedServer {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly availabilityZone: string | null;
  readonly host: string | null;
  /** Its root volume. */
  readonly volumeId: VolumeId;
}

interface Hypervisor {
  readonly name: HostName;
  readonly availabilityZone: string;
  /** Null when it is enabled. */
  readonly disabledReason: string | null;
  readonly lastSeen: number;
  readonly initiator: string | undefined;
  readonly freeVcpus: number;
  readonly freeMemoryMib: number;
}

/** No hypervisor will do; the message gives the reason against each. */
class NoValidHost extends Error {
  override readonly name = 'NoValidHost';
}

/**
 * Chooses the hypervisor with the most free memory among those that will do. Their services stay locked until the
 * transaction ends, so that of two servers that want the last room one sees the other.
 * @throws NoValidHost
 */
export async function placeServer(
  tx: Tx,
  wanted: WantedServer,
  clock: Clock,
): Promise<{ readonly host: HostName; readonly initiator: string }> {
  const now = clock.now();
  const reasons: string[] = [];
  const byMemory = (await hypervisors(tx)).toSorted((a, b) => b.freeMemoryMib - a.freeMemoryMib);
  const uncleared = await hostsToClear(tx, wanted.volumeId);
  for (const each of byMemory) {
    const reason = uncleared.has(each.name) ? UNCLEARED : refusal(each, wanted, now);
    if (reason === null && each.initiator !== undefined)
      return { host: each.name, initiator: each.initiator };
    reasons.push(`${each.name}: ${reason ?? 'it reports no initiator'}`);
  }
  throw new NoValidHost(
    reasons.length === 0
      ? 'No valid host was found. No compute agent has reported yet.'
      : `No valid host was found. ${reasons.join('; ')}.`,
  );
}

const UNCLEARED = 'the volume was taken from it by force, and it has not been cleared of it since';

async function hostsToClear(tx: Tx, volumeId: VolumeId): Promise<ReadonlySet<string>> {
  const rows = await tx.rows(tx.q.selectFrom('evictions').select('host').where('volume_id', '=', volumeId));
  return new Set(rows.map(({ host }) => host));
}

/** In words for the user; null when the host will do. */
function refusal(host: Hypervisor, wanted: WantedServer, now: number): string | null {
  const { availabilityZone: zone, vcpus, memoryMib } = wanted;
  if (wanted.host !== null && host.name !== wanted.host) return `it is not ${wanted.host}`;
  if (zone !== null && host.availabilityZone !== zone)
    return `it is in availability zone ${host.availabilityZone}, not ${zone}`;
  const silent = Math.round((now - host.lastSeen) / 1_000);
  if (silent > DOWN_AFTER_S) return `its service is down (last heard of ${silent} s ago)`;
  if (host.disabledReason !== null)
    return `its service is disabled${host.disabledReason === '' ? '' : ` (${host.disabledReason})`}`;
  if (vcpus > host.freeVcpus) return `it has room for ${Math.max(0, host.freeVcpus)} vCPUs, not for ${vcpus}`;
  if (memoryMib > host.freeMemoryMib)
    return `it has room for ${Math.max(0, host.freeMemoryMib)} MiB of memory, not for ${memoryMib} MiB`;
  return null;
}

async function hypervisors(tx: Tx): Promise<Hypervisor[]> {
  const services = await tx.rows(
    tx.q.selectFrom('services').selectAll().where('binary', '=', 'blockyard-compute').forUpdate(),
  );
  const servers = await tx.rows(
    tx.q
      .selectFrom('servers')
      .select(({ fn }) => ['host', fn.sum('vcpus').as('vcpus'), fn.sum('memory_mib').as('memory_mib')])
      .where('status', '<>', 'DELETED')
      .groupBy('host'),
  );
  return services.map((service) => {
    const { initiator, room } = JSON.parse(service.details) as Partial<ComputeDetails>;
    const used = servers.find(({ host }) => host === service.host);
    return {
      name: asId<HostName>(service.host),
      availabilityZone: service.availability_zone,
      disabledReason: service.disabled === 1 ? (service.disabled_reason ?? '') : null,
      lastSeen: sqlTimeToMs(service.last_seen_at),
      initiator: initiator === '' ? undefined : initiator,
      freeVcpus: (room?.vcpus ?? 0) - Number(used?.vcpus ?? 0),
      freeMemoryMib: (room?.memoryMib ?? 0) - Number(used?.memory_mib ?? 0),
    };
  });
}
