import type { PoolReport } from '#schema/reports.ts';
import { gauge, onScrape } from '#telemetry/metrics.ts';
import type { Target } from './targets/target.ts';

const GIB = 1024 ** 3;

const exported = gauge({ name: 'blockyard_exports', help: 'Volumes that this host exports' });
const sessions = gauge({
  name: 'blockyard_export_sessions',
  help: 'iSCSI sessions of initiators that are logged in to this host',
});
const initiators = gauge({
  name: 'blockyard_export_initiators',
  help: 'Initiators that may log in, over all exports',
});
const space = gauge({
  name: 'blockyard_backend_bytes',
  help: 'Size and free space of each backend, as last reported',
  labelNames: ['backend', 'what'],
});

/** Has each scrape ask the target. */
export function watchExports(target: Target): void {
  onScrape('exports', async () => {
    const all = await target.list();
    exported.set(all.length);
    sessions.set(all.reduce((sum, each) => sum + each.sessions, 0));
    initiators.set(all.reduce((sum, each) => sum + each.initiators.length, 0));
  });
}

/** @returns the same pools, once their space has been noted. */
export function noteSpace(pools: PoolReport[]): PoolReport[] {
  space.reset();
  for (const { backend, totalGib, freeGib } of pools) {
    space.set({ backend, what: 'total' }, totalGib * GIB);
    space.set({ backend, what: 'free' }, freeGib * GIB);
  }
  return pools;
}
