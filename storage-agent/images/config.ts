import { z } from 'zod';
import type { KeystoneAccount } from '#images/keystone.ts';

/** Where the agent gets image data from, and how. */
export interface ImageServiceConfig {
  /** Its data are at `<url>/v2/images/<id>/file`. */
  readonly url: string;
  /** Null for Blockyard's own service. */
  readonly account: KeystoneAccount | null;
}

const url = (what: string): z.ZodType<string | undefined> =>
  z
    .string()
    .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
      error: `must be ${what}: a URL that begins with http:// or https://`,
    })
    .optional();
const text = z.string().min(1, { error: 'is empty' });

/** The environment variables about images; `BLOCKYARD_GLANCE_*` only for a real Glance. */
export const IMAGE_SETTINGS = {
  BLOCKYARD_IMAGE_URL: url('the image service’s root'),
  BLOCKYARD_IMAGE_CONVERSION_DIR: z
    .string()
    .startsWith('/', { error: 'must be an absolute path' })
    .optional(),
  BLOCKYARD_GLANCE_AUTH_URL: url('Keystone’s v3 root'),
  BLOCKYARD_GLANCE_USERNAME: text.optional(),
  BLOCKYARD_GLANCE_PASSWORD: text.optional(),
  BLOCKYARD_GLANCE_PROJECT: text.optional(),
  BLOCKYARD_GLANCE_USER_DOMAIN: text.default('Default'),
  BLOCKYARD_GLANCE_PROJECT_DOMAIN: text.default('Default'),
} as const;

type Settings = z.output<z.ZodObject<typeof IMAGE_SETTINGS>>;

/** @throws Error that names the variable that is missing. */
export function imageServiceOf(env: Settings): ImageServiceConfig | null {
  const authUrl = env.BLOCKYARD_GLANCE_AUTH_URL;
  if (env.BLOCKYARD_IMAGE_URL === undefined) {
    if (authUrl !== undefined)
      throw new Error('BLOCKYARD_IMAGE_URL is not set, but BLOCKYARD_GLANCE_AUTH_URL is');
    return null;
  }
  if (authUrl === undefined) return { url: env.BLOCKYARD_IMAGE_URL, account: null };
  const needed = (name: 'USERNAME' | 'PASSWORD' | 'PROJECT'): string => {
    const value = env[`BLOCKYARD_GLANCE_${name}`];
    if (value === undefined)
      throw new Error(`BLOCKYARD_GLANCE_${name} is not set, but BLOCKYARD_GLANCE_AUTH_URL is`);
    return value;
  };
  return {
    url: env.BLOCKYARD_IMAGE_URL,
    account: {
      authUrl,
      username: needed('USERNAME'),
      password: needed('PASSWORD'),
      project: needed('PROJECT'),
      userDomain: env.BLOCKYARD_GLANCE_USER_DOMAIN,
      projectDomain: env.BLOCKYARD_GLANCE_PROJECT_DOMAIN,
    },
  };
}
