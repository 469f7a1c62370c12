/** Configuration by environment: the variables that several processes share, and how a wrong one is told. */
import { z } from 'zod';

const url = (...protocols: string[]): z.ZodType<string> =>
  z
    .string({ error: 'is not set' })
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
      error: `must be a URL that begins with ${protocols.map((name) => `${name}//`).join(' or ')}`,
    });

const keys = z.string({ error: 'is not set' }).regex(/^[0-9a-f]{64}(,[0-9a-f]{64})*$/i, {
  error: 'must be 64 hexadecimal characters, or several such keys with commas between',
});
const file = z.string().startsWith('/', { error: 'must be an absolute path' }).optional();

export const SETTINGS = {
  DATABASE_URL: url('mysql:', 'mariadb:'),
  REDIS_URL: url('redis:', 'rediss:'),
  /**
   * 32 bytes in hexadecimal: the master key, which CHAP secrets are encrypted with. Several while keys are changed: the
   * first encrypts, all decrypt. The same for all apis and conductors, and on no other host.
   */
  BLOCKYARD_SECRET_KEY: keys,
  /** What an agent has instead: its own, made from the master key. */
  BLOCKYARD_AGENT_KEY: keys.optional(),
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
  /** Seconds; the same in all processes. Cinder's `service_down_time`. Conductors listen for breaks of a third of it, every two seconds. */
  BLOCKYARD_SERVICE_DOWN_S: z.coerce
    .number({ error: 'must be a number of seconds' })
    .int({ error: 'must be a whole number of seconds' })
    .min(12, { error: 'must be at least 12' })
    .max(86_400, { error: 'must be at most a day' })
    .default(60),
} as const;

/** Where Redis is, and what its TLS (`rediss://`) is checked with. */
export const REDIS_SETTINGS = {
  REDIS_URL: SETTINGS.REDIS_URL,
  /** Who signed the server's certificate; without it the authorities that Node trusts. */
  BLOCKYARD_REDIS_CA: file,
  /** This process's own certificate and its key, for a server that asks for one. */
  BLOCKYARD_REDIS_CERT: file,
  BLOCKYARD_REDIS_KEY: file,
} as const;

/** Where MySQL is; TLS is used, and checked, where a CA is named or the URL says `?tls=on`. */
export const DATABASE_SETTINGS = {
  DATABASE_URL: SETTINGS.DATABASE_URL,
  BLOCKYARD_DATABASE_CA: file,
  BLOCKYARD_DATABASE_CERT: file,
  BLOCKYARD_DATABASE_KEY: file,
} as const;

type Of<S extends z.ZodRawShape> = z.output<z.ZodObject<S>>;

/** One URL that says all of it, for `openRedis`. @throws Error for files that a connection without TLS has no use for. */
export function redisUrl(env: Of<typeof REDIS_SETTINGS>): string {
  const files = {
    ca: env.BLOCKYARD_REDIS_CA,
    cert: env.BLOCKYARD_REDIS_CERT,
    key: env.BLOCKYARD_REDIS_KEY,
  };
  if (Object.values(files).some((path) => path !== undefined) && !env.REDIS_URL.startsWith('rediss:'))
    throw new Error('REDIS_URL must begin with rediss:// when BLOCKYARD_REDIS_CA, _CERT or _KEY is set');
  return withFiles(env.REDIS_URL, files);
}

/** One URL that says all of it, for `openDatabase`. */
export function databaseUrl(env: Of<typeof DATABASE_SETTINGS>): string {
  return withFiles(env.DATABASE_URL, {
    ca: env.BLOCKYARD_DATABASE_CA,
    cert: env.BLOCKYARD_DATABASE_CERT,
    key: env.BLOCKYARD_DATABASE_KEY,
  });
}

function withFiles(text: string, files: Readonly<Record<string, string | undefined>>): string {
  const url = new URL(text);
  for (const [name, path] of Object.entries(files)) {
    if (path !== undefined) url.searchParams.set(name, path);
  }
  return Object.values(files).some((path) => path !== undefined) ? url.href : text;
}

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
