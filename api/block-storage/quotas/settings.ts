import { z } from 'zod';
import { type QuotaDefaults, UNLIMITED } from './resources.ts';

const limit = z
  .string()
  .regex(/^(-1|0|[1-9]\d{0,8})$/, { error: 'must be a whole number, or -1 for no limit' })
  .transform(Number)
  .default(UNLIMITED);

/** What projects may use where no administrator has set anything: Cinder's `quota_*` options, without limits by default. */
export const QUOTA_SETTINGS = {
  BLOCKYARD_QUOTA_VOLUMES: limit,
  BLOCKYARD_QUOTA_SNAPSHOTS: limit,
  BLOCKYARD_QUOTA_GIGABYTES: limit,
  BLOCKYARD_QUOTA_BACKUPS: limit,
  BLOCKYARD_QUOTA_BACKUP_GIGABYTES: limit,
  BLOCKYARD_QUOTA_GROUPS: limit,
  BLOCKYARD_QUOTA_PER_VOLUME_GIGABYTES: limit,
} as const;

export function quotaDefaults(env: z.output<z.ZodObject<typeof QUOTA_SETTINGS>>): QuotaDefaults {
  return {
    volumes: env.BLOCKYARD_QUOTA_VOLUMES,
    snapshots: env.BLOCKYARD_QUOTA_SNAPSHOTS,
    gigabytes: env.BLOCKYARD_QUOTA_GIGABYTES,
    backups: env.BLOCKYARD_QUOTA_BACKUPS,
    backup_gigabytes: env.BLOCKYARD_QUOTA_BACKUP_GIGABYTES,
    groups: env.BLOCKYARD_QUOTA_GROUPS,
    per_volume_gigabytes: env.BLOCKYARD_QUOTA_PER_VOLUME_GIGABYTES,
  };
}
