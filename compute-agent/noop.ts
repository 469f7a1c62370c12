import type { Handlers } from '#agent/handlers.ts';
import type { ServerReport } from '#schema/reports.ts';

/** Carries out nothing, at once: what is left is the control plane, which the benchmark measures. */
export function noopHandlers(): Handlers<'compute'> {
  return {
    'disk.attach': async ({ device }) => ({ device: `/dev/${device?.replace(/^\/dev\//, '') ?? 'vdb'}` }),
    'disk.detach': async () => ({}),
    'disk.evict': async () => ({ guest: 'none' }),
    'connection.absent': async () => ({}),
    'disk.tune': async () => ({}),
    'disk.resize': async () => ({}),
    'server.ensure': async () => ({ device: '/dev/vda' }),
    'server.absent': async () => ({}),
    'server.power': async () => ({}),
  };
}

/** So many servers that aren't there; their ids end in 0001, 0002, … */
export function noopServers(count: number): ServerReport[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
    name: `noop-${index + 1}`,
    projectId: null,
    status: 'ACTIVE',
    vcpus: 1,
    memoryMib: 1_024,
  }));
}
