import type { PoolReport, StorageReport } from '#schema/reports.ts';
import type { OpenBackend } from './backends/open.ts';

/** What a host says that can make backups and restore them. */
export function withStore(store: string | undefined): Pick<StorageReport, 'backups'> {
  return store === undefined ? {} : { backups: { store } };
}

/**
 * The pools of this host. A backend whose space can't be asked for is left out, so that nothing is placed on it.
 * @param store of backups that this host has, if any: a volume may be wanted where it is.
 * @param log is told why.
 */
export async function storageReport(
  backends: readonly OpenBackend[],
  store: string | undefined,
  log: (line: string) => void,
): Promise<PoolReport[]> {
  const pools = await Promise.all(
    backends.map(async (open) => {
      try {
        return [await poolOf(open, store)];
      } catch (error) {
        log(`backend ${open.config.name}: ${error instanceof Error ? error.message : String(error)}`);
        return [];
      }
    }),
  );
  return pools.flat();
}

async function poolOf({ config, backend }: OpenBackend, store: string | undefined): Promise<PoolReport> {
  const { totalGib, freeGib } = await backend.capacity();
  return {
    backend: config.name,
    backendName: config.backend_name ?? config.name,
    totalGib: hundredths(totalGib),
    freeGib: hundredths(freeGib),
    reservedPercentage: config.reserved_percentage,
    maxOverSubscriptionRatio: backend.thin ? config.max_over_subscription_ratio : 1,
    thin: backend.thin,
    // Cinder's names, which volume types' extra specs ask for.
    capabilities: {
      storage_protocol: 'iSCSI',
      vendor_name: 'Blockyard',
      driver: config.kind,
      thin_provisioning_support: backend.thin,
      thick_provisioning_support: !backend.thin,
      discard: backend.discard,
      ...(store !== undefined && { backup_store: store }),
    },
  };
}

/** Rounded down: never promise what is not there. */
function hundredths(gib: number): number {
  return Math.floor(gib * 100) / 100;
}
