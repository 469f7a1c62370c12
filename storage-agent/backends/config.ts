import { z } from 'zod';

/** LVM's own rule for names (lvm(8), VALID NAMES), without a leading dash. */
const lvmName = z
  .string({ error: 'is not set' })
  .regex(/^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}$/, { error: 'is not an LVM name' });

const gib = z.coerce.number({ error: 'must be a number of GiB' }).positive({ error: 'must be positive' });

const common = {
  /** What tasks and pool names (`host@name#…`) call it. */
  name: z
    .string({ error: 'is not set' })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { error: 'must be letters, digits, dot, dash, underscore' }),
  /** What volume types ask for with `volume_backend_name`; several backends may share one. Default: the name. */
  backend_name: z
    .string()
    .regex(/^[^\s@#]{1,100}$/, { error: 'must have no space, @ or #' })
    .optional(),
  reserved_percentage: z.coerce
    .number({ error: 'must be a number' })
    .int({ error: 'must be whole' })
    .min(0, { error: 'must be 0 to 100' })
    .max(100, { error: 'must be 0 to 100' })
    .default(0),
  /** Cinder's default for thin backends; without meaning for thick ones. */
  max_over_subscription_ratio: z.coerce
    .number({ error: 'must be a number' })
    .min(1, { error: 'must be at least 1' })
    .default(20),
};

const backend = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    ...common,
    path: z
      .string({ error: 'is not set' })
      .regex(/^\/[^\s,]*$/, { error: 'must be an absolute path without spaces' }),
  }),
  z.strictObject({ kind: z.literal('lvm'), ...common, vg: lvmName }),
  z.strictObject({
    kind: z.literal('lvm-thin'),
    ...common,
    vg: lvmName,
    pool: lvmName,
    /** Images kept at most, so that the next volume from one is a snapshot; 0 keeps none. */
    image_cache_count: z.coerce
      .number({ error: 'must be a number' })
      .int({ error: 'must be whole' })
      .min(0, { error: 'must be at least 0' })
      .default(16),
    /** The sum of their sizes at most, in GiB; a larger image is never kept. */
    image_cache_gib: gib.default(100),
  }),
  z.strictObject({ kind: z.literal('noop'), ...common, total_gib: gib.default(1_000_000) }),
]);
export type BackendConfig = z.output<typeof backend>;

/** `kind:key=value,…;kind:key=value,…` */
export const backends = z.string({ error: 'is not set' }).transform((text, context): BackendConfig[] => {
  const found: BackendConfig[] = [];
  for (const item of text.split(';').filter((part) => part.trim() !== '')) {
    const parsed = parseBackend(item.trim());
    if (typeof parsed === 'string') context.addIssue(parsed);
    else if (found.some(({ name }) => name === parsed.name))
      context.addIssue(`has two backends named ${parsed.name}`);
    else found.push(parsed);
  }
  if (found.length === 0) context.addIssue('must list at least one backend');
  return found;
});

/** The backend, or what is wrong with it. */
function parseBackend(item: string): BackendConfig | string {
  const [kind = '', ...rest] = item.split(':');
  const pairs = rest
    .join(':')
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at === -1 ? ([pair, ''] as const) : ([pair.slice(0, at), pair.slice(at + 1)] as const);
    });
  const result = backend.safeParse({ ...Object.fromEntries(pairs), kind });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue?.code === 'invalid_union') return `has an unknown kind of backend: ${kind}`;
  if (issue?.code === 'unrecognized_keys')
    return `has an unknown option for ${kind}: ${issue.keys.join(', ')}`;
  return `is wrong for ${kind}: ${issue?.path.join('.')} ${issue?.message}`;
}
