import { z } from 'zod';
import type { KeystoneAccount } from './keystone.ts';

const text = z.string().min(1, { error: 'is empty' });

/** An HTTP service's root. @param what it is, for whoever got it wrong. */
export const serviceUrl = (what: string): z.ZodType<string | undefined> =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
      error: `must be ${what}: a URL that begins with http:// or https://`,
    })
    .optional();

/** The account that api and storage agents have at a real Glance. */
export const GLANCE_ACCOUNT_SETTINGS = {
  BLOCKYARD_GLANCE_AUTH_URL: serviceUrl('Keystone’s v3 root'),
  BLOCKYARD_GLANCE_USERNAME: text.optional(),
  BLOCKYARD_GLANCE_PASSWORD: text.optional(),
  BLOCKYARD_GLANCE_PROJECT: text.optional(),
  BLOCKYARD_GLANCE_USER_DOMAIN: text.default('Default'),
  BLOCKYARD_GLANCE_PROJECT_DOMAIN: text.default('Default'),
} as const;

type Settings = z.output<z.ZodObject<typeof GLANCE_ACCOUNT_SETTINGS>>;

/** Null when no Keystone is named. @throws Error that names the variable that is missing. */
export function glanceAccount(env: Settings): KeystoneAccount | null {
  const authUrl = env.BLOCKYARD_GLANCE_AUTH_URL;
  if (authUrl === undefined) return null;
  const needed = (name: 'USERNAME' | 'PASSWORD' | 'PROJECT'): string => {
    const value = env[`BLOCKYARD_GLANCE_${name}`];
    if (value === undefined)
      throw new Error(`BLOCKYARD_GLANCE_${name} is not set, but BLOCKYARD_GLANCE_AUTH_URL is`);
    return value;
  };
  return {
    authUrl,
    username: needed('USERNAME'),
    password: needed('PASSWORD'),
    project: needed('PROJECT'),
    userDomain: env.BLOCKYARD_GLANCE_USER_DOMAIN,
    projectDomain: env.BLOCKYARD_GLANCE_PROJECT_DOMAIN,
  };
}
