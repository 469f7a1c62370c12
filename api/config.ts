import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Authenticator } from './auth/authenticator.ts';
import { noAuthentication } from './auth/none.ts';
import { createTokenAuthenticator } from './auth/tokens.ts';

export interface Config {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly host: string;
  readonly port: number;
  readonly authenticator: Authenticator;
  readonly secretKey: string;
  readonly queuePrefix: string;
  readonly availabilityZone: string;
}

const url = (protocols: readonly string[]) =>
  z
    .string({ error: 'is not set' })
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
      error: `must be a URL that begins with ${protocols.map((name) => `${name}//`).join(' or ')}`,
    });

const environment = z.object({
  DATABASE_URL: url(['mysql:', 'mariadb:']),
  REDIS_URL: url(['redis:', 'rediss:']),
  BLOCKYARD_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, { error: 'must be address:port' })
    .default('127.0.0.1:8776'),
  BLOCKYARD_AUTH: z.enum(['none', 'tokens'], { error: 'must be none or tokens' }),
  BLOCKYARD_TOKENS_FILE: z.string().min(1, { error: 'is empty' }).optional(),
  BLOCKYARD_SECRET_KEY: z
    .string({ error: 'is not set' })
    .regex(/^[0-9a-f]{64}$/i, { error: 'must be 64 hexadecimal characters' }),
  BLOCKYARD_QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.{}-]{1,64}$/, { error: 'must be letters, digits, dot, dash or underscore' })
    .default('blockyard'),
  BLOCKYARD_AVAILABILITY_ZONE: z.string().min(1).max(255).default('nova'),
});

/**
 * Reads the API's configuration.
 * @throws Error that names the variable; never its value, which may hold a password.
 */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const result = environment.safeParse(variables);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new Error(`${String(issue?.path[0])} ${issue?.message ?? 'is wrong'}`);
  }
  const env = result.data;
  const colon = env.BLOCKYARD_LISTEN.lastIndexOf(':');
  const host = env.BLOCKYARD_LISTEN.slice(0, colon).replace(/^\[|\]$/g, '');
  if (env.BLOCKYARD_AUTH === 'none' && !isLoopback(host)) {
    throw new Error('BLOCKYARD_LISTEN must be a loopback address while BLOCKYARD_AUTH is none');
  }
  return {
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    host,
    port: Number(env.BLOCKYARD_LISTEN.slice(colon + 1)),
    authenticator: env.BLOCKYARD_AUTH === 'none' ? noAuthentication : tokensFrom(env.BLOCKYARD_TOKENS_FILE),
    secretKey: env.BLOCKYARD_SECRET_KEY,
    queuePrefix: env.BLOCKYARD_QUEUE_PREFIX,
    availabilityZone: env.BLOCKYARD_AVAILABILITY_ZONE,
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function tokensFrom(file: string | undefined): Authenticator {
  if (file === undefined) throw new Error('BLOCKYARD_TOKENS_FILE is not set');
  try {
    return createTokenAuthenticator(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`BLOCKYARD_TOKENS_FILE: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
