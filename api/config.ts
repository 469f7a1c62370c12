import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { GLANCE_ACCOUNT_SETTINGS, glanceAccount, serviceUrl } from '#images/glance-account.ts';
import type { KeystoneAccount } from '#images/keystone.ts';
import {
  DATABASE_SETTINGS,
  databaseUrl,
  REDIS_SETTINGS,
  readSettings,
  redisUrl,
  SETTINGS,
} from '#schema/settings.ts';
import { KEYSTONE_SETTINGS, type KeystoneOptions, keystoneOptions } from './auth/keystone/settings.ts';
import { createTokenAuthenticator, type TokenAuthenticator } from './auth/tokens.ts';
import type { QuotaDefaults } from './block-storage/quotas/resources.ts';
import { QUOTA_SETTINGS, quotaDefaults } from './block-storage/quotas/settings.ts';
import type { CertificateFiles } from './http/certificate.ts';
import type { IdentitySettings } from './identity/builtin/service.ts';
import { IDENTITY_SETTINGS, identitySettings } from './identity/settings.ts';
import { LIMIT_SETTINGS, type Limits, limitsFrom } from './limits/settings.ts';

export interface Config {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** For HTTPS; undefined for plain HTTP. */
  readonly tls: CertificateFiles | undefined;
  readonly host: string;
  readonly port: number;
  /** Whether nobody needs to prove anything. */
  readonly open: boolean;
  /** Those in a file; undefined where an identity service gives out all of them. */
  readonly tokens: TokenAuthenticator | undefined;
  /** How the api is its own identity service; undefined when it is not. */
  readonly identity: IdentitySettings | undefined;
  /** The Keystone that gives out tokens; undefined when none does. */
  readonly keystone: KeystoneOptions | undefined;
  readonly secretKey: string;
  readonly queuePrefix: string;
  readonly availabilityZone: string;
  /** Where image data lie; undefined when nothing says so. */
  readonly imageDir: string | undefined;
  readonly imageMaxBytes: number;
  /** Of all images of one project; undefined for no limit. */
  readonly imageProjectBytes: number | undefined;
  readonly limits: Limits;
  readonly quotaDefaults: QuotaDefaults;
  /** A real Glance that images are in instead. */
  readonly glance: { readonly url: string; readonly account: KeystoneAccount | null } | undefined;
}

const gib = z
  .string()
  .regex(/^[1-9]\d{0,6}$/, { error: 'must be a whole number of GiB' })
  .transform(Number);
const GIB = 1024 ** 3;

const SETTINGS_OF_API = {
  ...DATABASE_SETTINGS,
  ...REDIS_SETTINGS,
  BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY,
  BLOCKYARD_QUEUE_PREFIX: SETTINGS.BLOCKYARD_QUEUE_PREFIX,
  BLOCKYARD_AVAILABILITY_ZONE: SETTINGS.BLOCKYARD_AVAILABILITY_ZONE,
  BLOCKYARD_SERVICE_DOWN_S: SETTINGS.BLOCKYARD_SERVICE_DOWN_S,
  BLOCKYARD_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, { error: 'must be address:port' })
    .default('127.0.0.1:8776'),
  BLOCKYARD_TLS_CERT: SETTINGS.BLOCKYARD_STATE_DIR.optional(),
  BLOCKYARD_TLS_KEY: SETTINGS.BLOCKYARD_STATE_DIR.optional(),
  BLOCKYARD_AUTH: z.enum(['none', 'tokens', 'builtin', 'keystone'], {
    error: 'must be none, tokens, builtin or keystone',
  }),
  BLOCKYARD_TOKENS_FILE: z.string().min(1, { error: 'is empty' }).optional(),
  BLOCKYARD_STATE_DIR: SETTINGS.BLOCKYARD_STATE_DIR.optional(),
  BLOCKYARD_IMAGE_DIR: SETTINGS.BLOCKYARD_STATE_DIR.optional(),
  BLOCKYARD_IMAGE_MAX_GIB: gib.default(1_024),
  BLOCKYARD_IMAGE_PROJECT_GIB: gib.optional(),
  BLOCKYARD_GLANCE_URL: serviceUrl('Glance’s root'),
  ...LIMIT_SETTINGS,
  ...IDENTITY_SETTINGS,
  ...KEYSTONE_SETTINGS,
  ...QUOTA_SETTINGS,
  ...GLANCE_ACCOUNT_SETTINGS,
} as const;

/**
 * Reads the API's configuration.
 * @throws Error that names the variable; never its value, which may hold a password.
 */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const env = readSettings(SETTINGS_OF_API, variables);
  const colon = env.BLOCKYARD_LISTEN.lastIndexOf(':');
  const host = env.BLOCKYARD_LISTEN.slice(0, colon).replace(/^\[|\]$/g, '');
  if (env.BLOCKYARD_AUTH === 'none' && !isLoopback(host)) {
    throw new Error('BLOCKYARD_LISTEN must be a loopback address while BLOCKYARD_AUTH is none');
  }
  return {
    databaseUrl: databaseUrl(env),
    redisUrl: redisUrl(env),
    tls: certificateOf(env),
    host,
    port: Number(env.BLOCKYARD_LISTEN.slice(colon + 1)),
    open: env.BLOCKYARD_AUTH === 'none',
    tokens: tokensOf(env.BLOCKYARD_AUTH, env.BLOCKYARD_TOKENS_FILE),
    identity: env.BLOCKYARD_AUTH === 'builtin' ? identitySettings(env) : undefined,
    keystone: env.BLOCKYARD_AUTH === 'keystone' ? keystoneOptions(env) : undefined,
    secretKey: env.BLOCKYARD_SECRET_KEY,
    queuePrefix: env.BLOCKYARD_QUEUE_PREFIX,
    availabilityZone: env.BLOCKYARD_AVAILABILITY_ZONE,
    imageDir:
      env.BLOCKYARD_IMAGE_DIR ??
      (env.BLOCKYARD_STATE_DIR === undefined ? undefined : join(env.BLOCKYARD_STATE_DIR, 'images')),
    imageMaxBytes: env.BLOCKYARD_IMAGE_MAX_GIB * GIB,
    imageProjectBytes:
      env.BLOCKYARD_IMAGE_PROJECT_GIB === undefined ? undefined : env.BLOCKYARD_IMAGE_PROJECT_GIB * GIB,
    limits: limitsFrom(env),
    quotaDefaults: quotaDefaults(env),
    glance:
      env.BLOCKYARD_GLANCE_URL === undefined
        ? undefined
        : { url: env.BLOCKYARD_GLANCE_URL, account: glanceAccount(env) },
  };
}

function certificateOf(env: {
  readonly BLOCKYARD_TLS_CERT?: string | undefined;
  readonly BLOCKYARD_TLS_KEY?: string | undefined;
}): CertificateFiles | undefined {
  const { BLOCKYARD_TLS_CERT: cert, BLOCKYARD_TLS_KEY: key } = env;
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw new Error('BLOCKYARD_TLS_CERT is not set, but BLOCKYARD_TLS_KEY is');
  if (key === undefined) throw new Error('BLOCKYARD_TLS_KEY is not set, but BLOCKYARD_TLS_CERT is');
  return { cert, key };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function tokensOf(
  mode: 'none' | 'tokens' | 'builtin' | 'keystone',
  file: string | undefined,
): TokenAuthenticator | undefined {
  if (mode === 'none') return undefined;
  return mode !== 'tokens' && file === undefined ? undefined : tokensFrom(file);
}

function tokensFrom(file: string | undefined): TokenAuthenticator {
  if (file === undefined) throw new Error('BLOCKYARD_TOKENS_FILE is not set');
  try {
    return createTokenAuthenticator(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`BLOCKYARD_TOKENS_FILE: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
