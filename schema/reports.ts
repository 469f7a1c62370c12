/** What agents tell about themselves every ten seconds, over Redis (an agent never opens the database). */
import { z } from 'zod';
import { SETTINGS } from './settings.ts';

/**
 * Seconds without a report after which a service counts as down: `BLOCKYARD_SERVICE_DOWN_S`, 60 by default as in Cinder. A wrong
 * value each process refuses where it reads its settings.
 */
export const DOWN_AFTER_S =
  SETTINGS.BLOCKYARD_SERVICE_DOWN_S.safeParse(process.env['BLOCKYARD_SERVICE_DOWN_S']).data ??
  SETTINGS.BLOCKYARD_SERVICE_DOWN_S.parse(undefined);
/** Seconds between reports: Cinder's own figure, or less, so that several may be lost. */
export const REPORT_EVERY_S = Math.min(10, Math.floor(DOWN_AFTER_S / 6));

const common = {
  host: z.string().min(1).max(120),
  bootId: z.string(),
  version: z.string(),
  availabilityZone: z.string(),
};

const pool = z.strictObject({
  /** The backend's own name in the configuration, `host@backend#pool`'s middle. */
  backend: z.string(),
  /** What types ask for with `volume_backend_name`; also the pool's name. */
  backendName: z.string(),
  totalGib: z.number(),
  freeGib: z.number(),
  reservedPercentage: z.number().int(),
  maxOverSubscriptionRatio: z.number(),
  thin: z.boolean(),
  /** Matched against a type's extra specs. */
  capabilities: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])),
});
export type PoolReport = z.infer<typeof pool>;

const server = z.strictObject({
  id: z.string(),
  name: z.string(),
  projectId: z.string().nullable(),
  status: z.string(),
  vcpus: z.number().int(),
  memoryMib: z.number().int(),
});
export type ServerReport = z.infer<typeof server>;

export const storageReport = z.strictObject({
  kind: z.literal('storage'),
  ...common,
  pools: z.array(pool),
  /** Where this host keeps backups: the same id on every host that has the store. */
  backups: z.strictObject({ store: z.string() }).optional(),
});
export const computeReport = z.strictObject({
  kind: z.literal('compute'),
  ...common,
  initiator: z.string(),
  ip: z.string(),
  /** What servers may add up to: what the host has, times the ratios it is configured with. */
  room: z.strictObject({ vcpus: z.number().int(), memoryMib: z.number().int() }),
  servers: z.array(server),
});
export const agentReport = z.discriminatedUnion('kind', [storageReport, computeReport]);
export type StorageReport = z.infer<typeof storageReport>;
export type ComputeReport = z.infer<typeof computeReport>;
export type AgentReport = z.infer<typeof agentReport>;

/** What a conductor answers to a hypervisor's report. */
export const evictionsWord = z.strictObject({
  /** The report's. */
  bootId: z.string(),
  /** Disks that were taken from the host while it was away; the tasks to clear them come by its queue. */
  evictions: z.array(z.strictObject({ volumeId: z.string(), serverId: z.string() })),
});
export type EvictionsWord = z.infer<typeof evictionsWord>;
