import type { Selectable } from 'kysely';
import type { PoolsTable } from '#schema/tables.ts';
import { VERSION } from '../system.ts';

type Capability = string | number | boolean;

/** What is known of a pool besides whether its service works. */
export interface Described {
  readonly backendName: string;
  readonly availabilityZone: string;
  /** What the agent says besides. */
  readonly capabilities: Readonly<Record<string, Capability>>;
  readonly totalGib: number;
  readonly freeGib: number;
  readonly reservedPercentage: number;
  readonly maxOverSubscriptionRatio: number;
  readonly thin: boolean;
  readonly allocatedGib: number;
  readonly volumeCount: number;
}

export function describe(row: Selectable<PoolsTable>): Described {
  return {
    backendName: row.backend_name,
    availabilityZone: row.availability_zone,
    capabilities: JSON.parse(row.capabilities) as Described['capabilities'],
    totalGib: row.total_gib,
    freeGib: row.free_gib,
    reservedPercentage: row.reserved_percentage,
    maxOverSubscriptionRatio: row.max_over_subscription_ratio,
    thin: row.thin === 1,
    allocatedGib: row.allocated_gib,
    volumeCount: row.volume_count,
  };
}

/**
 * All that a pool can do, in Cinder's words: what types' specs are compared with is what lists of pools show. The agent's own come first, so that
 * they can't stand in for ours.
 */
export function capabilitiesOf(pool: Described): Record<string, Capability> {
  return {
    ...pool.capabilities,
    volume_backend_name: pool.backendName,
    pool_name: pool.backendName,
    vendor_name: 'Blockyard',
    storage_protocol: 'iSCSI',
    QoS_support: true,
    total_capacity_gb: pool.totalGib,
    free_capacity_gb: pool.freeGib,
    allocated_capacity_gb: pool.allocatedGib,
    provisioned_capacity_gb: pool.allocatedGib,
    total_volumes: pool.volumeCount,
    reserved_percentage: pool.reservedPercentage,
    max_over_subscription_ratio: pool.maxOverSubscriptionRatio,
    thin_provisioning_support: pool.thin,
    thick_provisioning_support: !pool.thin,
    availability_zone: pool.availabilityZone,
    driver_version: VERSION,
    backend_state: 'up',
    replication_enabled: false,
    multiattach: true,
  };
}
