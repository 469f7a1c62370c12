import type { z } from 'zod';
import { agentQueue } from '#queues/names.ts';
import { ownKeys } from '#queues/secrets.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { REDIS_SETTINGS, redisUrl, SETTINGS } from '#schema/settings.ts';
import type { AgentKind } from '#schema/tasks.ts';

/** What every agent is told. */
export interface AgentConfig {
  readonly host: HostName;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly stateDir: string;
  /** This agent's own, `BLOCKYARD_AGENT_KEY`. */
  readonly keys: string;
  readonly availabilityZone: string;
}

export const AGENT_SETTINGS = {
  BLOCKYARD_HOST: SETTINGS.BLOCKYARD_HOST,
  ...REDIS_SETTINGS,
  BLOCKYARD_QUEUE_PREFIX: SETTINGS.BLOCKYARD_QUEUE_PREFIX,
  BLOCKYARD_STATE_DIR: SETTINGS.BLOCKYARD_STATE_DIR,
  BLOCKYARD_AGENT_KEY: SETTINGS.BLOCKYARD_AGENT_KEY,
  BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY.optional(),
  BLOCKYARD_AVAILABILITY_ZONE: SETTINGS.BLOCKYARD_AVAILABILITY_ZONE,
  BLOCKYARD_SERVICE_DOWN_S: SETTINGS.BLOCKYARD_SERVICE_DOWN_S,
} as const;

/** @throws Error that names the variable. */
export function agentConfigOf(
  kind: AgentKind,
  env: z.output<z.ZodObject<typeof AGENT_SETTINGS>>,
): AgentConfig {
  const host = asId<HostName>(env.BLOCKYARD_HOST);
  return {
    host,
    redisUrl: redisUrl(env),
    prefix: env.BLOCKYARD_QUEUE_PREFIX,
    stateDir: `${env.BLOCKYARD_STATE_DIR}/${kind}`,
    keys: ownKeys(env, agentQueue(kind, host)),
    availabilityZone: env.BLOCKYARD_AVAILABILITY_ZONE,
  };
}
