/** Configuration by environment: the variables that several processes share, and how a wrong one is told. */
import { z } from 'zod';

const url = (...protocols: string[]): z.ZodType<string> =>
  z
    .string({ error: 'is not set' })
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
      error: `must be a URL that begins with ${protocols.map((name) => `${name}//`).join(' or ')}`,
    });

export const SETTINGS = {
  DATABASE_URL: url('mysql:', 'mariadb:'),
  REDIS_URL: url('redis:', 'rediss:'),
  /** 32 bytes in hexadecimal: the key that CHAP secrets are encrypted with. The same everywhere. */
  BLOCKYARD_SECRET_KEY: z
    .string({ error: 'is not set' })
    .regex(/^[0-9a-f]{64}$/i, { error: 'must be 64 hexadecimal characters' }),
  /** This host's name in queues, services and pools. */
  BLOCKYARD_HOST: z.string({ error: 'is not set' }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,118}$/, {
    error: 'must be letters, digits, dot, dash or underscore',
  }),
  BLOCKYARD_QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.{}-]{1,64}$/, { error: 'must be letters, digits, dot, dash or underscore' })
    .default('blockyard'),
  BLOCKYARD_AVAILABILITY_ZONE: z
    .string()
    .min(1, { error: 'is empty' })
    .max(255, { error: 'is too long' })
    .default('nova'),
  BLOCKYARD_STATE_DIR: z
    .string({ error: 'is not set' })
    .startsWith('/', { error: 'must be an absolute path' }),
} as const;

/**
 * Reads one process's configuration.
 * @throws Error that names the variable, never its value, which may hold a password.
 */
export function readSettings<S extends z.ZodRawShape>(
  shape: S,
  variables: Readonly<Record<string, string | undefined>>,
): z.output<z.ZodObject<S>> {
  const result = z.object(shape).safeParse(variables);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`${String(issue?.path[0])} ${issue?.message ?? 'is wrong'}`);
}
