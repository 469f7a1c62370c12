import { z } from 'zod';
import { serviceUrl } from '#images/glance-account.ts';
import type { KeystoneAccount } from '#images/keystone.ts';

const text = z.string().min(1, { error: 'is empty' });
const names = z
  .string()
  .transform((list) => list.split(',').map((name) => name.trim()))
  .pipe(z.array(text));

/** Where Keystone is, who validates tokens there, and what its roles mean here. */
export const KEYSTONE_SETTINGS = {
  BLOCKYARD_KEYSTONE_URL: serviceUrl('Keystone’s v3 root'),
  BLOCKYARD_KEYSTONE_USERNAME: text.default('blockyard'),
  BLOCKYARD_KEYSTONE_PASSWORD: text.optional(),
  BLOCKYARD_KEYSTONE_PROJECT: text.default('service'),
  BLOCKYARD_KEYSTONE_USER_DOMAIN: text.default('Default'),
  BLOCKYARD_KEYSTONE_PROJECT_DOMAIN: text.default('Default'),
  /** Seconds for which Keystone's word is good: what it has revoked since is refused after that. */
  BLOCKYARD_KEYSTONE_CACHE_SECONDS: z
    .string()
    .regex(/^\d{1,4}$/, { error: 'must be a whole number of seconds' })
    .transform(Number)
    .default(10),
  BLOCKYARD_KEYSTONE_ADMIN_ROLES: names.default(['admin']),
  BLOCKYARD_KEYSTONE_MEMBER_ROLES: names.default(['member']),
  BLOCKYARD_KEYSTONE_READER_ROLES: names.default(['reader']),
  BLOCKYARD_KEYSTONE_SERVICE_ROLES: names.default(['service']),
} as const;

type Env = z.output<z.ZodObject<typeof KEYSTONE_SETTINGS>>;

export interface KeystoneOptions {
  readonly account: KeystoneAccount;
  readonly cacheMs: number;
  /** Keystone's names for each of our roles. */
  readonly roles: Readonly<Record<'admin' | 'member' | 'reader' | 'service', readonly string[]>>;
}

/** @throws Error that names the variable that is missing. */
export function keystoneOptions(env: Env): KeystoneOptions {
  const authUrl = env.BLOCKYARD_KEYSTONE_URL;
  const password = env.BLOCKYARD_KEYSTONE_PASSWORD;
  if (authUrl === undefined) throw new Error('BLOCKYARD_KEYSTONE_URL is not set');
  if (password === undefined) throw new Error('BLOCKYARD_KEYSTONE_PASSWORD is not set');
  return {
    account: {
      authUrl: authUrl.replace(/\/+$/, ''),
      username: env.BLOCKYARD_KEYSTONE_USERNAME,
      password,
      project: env.BLOCKYARD_KEYSTONE_PROJECT,
      userDomain: env.BLOCKYARD_KEYSTONE_USER_DOMAIN,
      projectDomain: env.BLOCKYARD_KEYSTONE_PROJECT_DOMAIN,
    },
    cacheMs: env.BLOCKYARD_KEYSTONE_CACHE_SECONDS * 1_000,
    roles: {
      admin: env.BLOCKYARD_KEYSTONE_ADMIN_ROLES,
      member: env.BLOCKYARD_KEYSTONE_MEMBER_ROLES,
      reader: env.BLOCKYARD_KEYSTONE_READER_ROLES,
      service: env.BLOCKYARD_KEYSTONE_SERVICE_ROLES,
    },
  };
}
