import { VERSION } from '#queues/system.ts';
import type { ComputeReport, ServerReport } from '#schema/reports.ts';
import type { ComputeConfig } from '../config.ts';
import { countServers } from '../metrics.ts';

/** What a compute agent tells about itself and its host. */
export function computeReporter(
  config: ComputeConfig,
  bootId: string,
  servers: () => Promise<ServerReport[]>,
): () => Promise<ComputeReport> {
  return async () => ({
    kind: 'compute',
    host: config.host,
    bootId,
    version: VERSION,
    availabilityZone: config.availabilityZone,
    initiator: config.initiator,
    ip: config.ip,
    room: config.room,
    servers: countServers(await servers()),
  });
}
