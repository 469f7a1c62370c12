import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { GLANCE_ACCOUNT_SETTINGS, glanceAccount, serviceUrl } from '#images/glance-account.ts';
import type { KeystoneAccount } from '#images/keystone.ts';

/** Where the agent gets image data from, and how. */
export interface ImageServiceConfig {
  /** Its data are at `<url>/v2/images/<id>/file`. */
  readonly url: string;
  /** Null for Blockyard's own service. */
  readonly account: KeystoneAccount | null;
  /** PEM of the authority that its certificate is checked with; undefined for those that Node trusts. */
  readonly ca?: string | undefined;
}

/** The environment variables about images; `BLOCKYARD_GLANCE_*` only for a real Glance. */
export const IMAGE_SETTINGS = {
  BLOCKYARD_IMAGE_URL: serviceUrl('the image service’s root'),
  BLOCKYARD_IMAGE_CA: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
  BLOCKYARD_IMAGE_CONVERSION_DIR: z
    .string()
    .startsWith('/', { error: 'must be an absolute path' })
    .optional(),
  ...GLANCE_ACCOUNT_SETTINGS,
} as const;

type Settings = z.output<z.ZodObject<typeof IMAGE_SETTINGS>>;

/** @throws Error that names the variable that is missing. */
export function imageServiceOf(env: Settings): ImageServiceConfig | null {
  if (env.BLOCKYARD_IMAGE_URL === undefined) {
    if (env.BLOCKYARD_GLANCE_AUTH_URL !== undefined)
      throw new Error('BLOCKYARD_IMAGE_URL is not set, but BLOCKYARD_GLANCE_AUTH_URL is');
    return null;
  }
  const service = { url: env.BLOCKYARD_IMAGE_URL, account: glanceAccount(env) };
  if (env.BLOCKYARD_IMAGE_CA === undefined) return service;
  return { ...service, ca: readPem('BLOCKYARD_IMAGE_CA', env.BLOCKYARD_IMAGE_CA) };
}

function readPem(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${variable}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
