import type { ServerReport } from '#schema/reports.ts';
import { counter, gauge } from '#telemetry/metrics.ts';

const servers = gauge({
  name: 'blockyard_host_servers',
  help: 'Servers on this host by status, as last reported',
  labelNames: ['status'],
});
const reconnected = counter({
  name: 'blockyard_volumes_reconnected_total',
  help: 'Volumes that were made reachable again for a server before its start',
});
const replugged = counter({
  name: 'blockyard_disks_replugged_total',
  help: 'Disks that a guest had let go of although nobody took them away, and was given back',
});

/** @returns the same servers, once they have been counted. */
export function countServers(all: ServerReport[]): ServerReport[] {
  servers.reset();
  for (const { status } of all) servers.inc({ status });
  return all;
}

export function countReconnected(volumes: number): void {
  reconnected.inc(volumes);
}

export function countReplugged(): void {
  replugged.inc();
}
