import { z } from 'zod';
import type { HostName } from '#schema/ids.ts';
import {
  DATABASE_SETTINGS,
  databaseUrl,
  REDIS_SETTINGS,
  readSettings,
  redisUrl,
  SETTINGS,
} from '#schema/settings.ts';
import { DEFAULT_WEIGHTS, type Weights } from '../placement/weighers.ts';

const weights = z
  .string()
  .default('')
  .transform((text, context): Weights => {
    const chosen: Record<string, number> = { ...DEFAULT_WEIGHTS };
    for (const item of text.split(',').filter((part) => part !== '')) {
      const [name = '', value = ''] = item.split('=');
      if (!Object.hasOwn(DEFAULT_WEIGHTS, name) || value === '' || !Number.isFinite(Number(value))) {
        context.addIssue('must be like capacity=1,allocated=0.5,volumes=0');
        return z.NEVER;
      }
      chosen[name] = Number(value);
    }
    return chosen as unknown as Weights;
  });

export interface ConductorConfig {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly secretKey: string;
  readonly prefix: string;
  readonly host: HostName;
  readonly availabilityZone: string;
  readonly weights: Weights;
}

/** @throws Error that names the variable. */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): ConductorConfig {
  const env = readSettings(
    {
      ...DATABASE_SETTINGS,
      ...REDIS_SETTINGS,
      BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY,
      BLOCKYARD_QUEUE_PREFIX: SETTINGS.BLOCKYARD_QUEUE_PREFIX,
      BLOCKYARD_HOST: SETTINGS.BLOCKYARD_HOST,
      BLOCKYARD_AVAILABILITY_ZONE: SETTINGS.BLOCKYARD_AVAILABILITY_ZONE,
      BLOCKYARD_SERVICE_DOWN_S: SETTINGS.BLOCKYARD_SERVICE_DOWN_S,
      BLOCKYARD_WEIGHERS: weights,
    },
    variables,
  );
  return {
    databaseUrl: databaseUrl(env),
    redisUrl: redisUrl(env),
    secretKey: env.BLOCKYARD_SECRET_KEY,
    prefix: env.BLOCKYARD_QUEUE_PREFIX,
    host: env.BLOCKYARD_HOST as HostName,
    availabilityZone: env.BLOCKYARD_AVAILABILITY_ZONE,
    weights: env.BLOCKYARD_WEIGHERS,
  };
}
