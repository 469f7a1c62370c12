import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { Unanswered } from '#queues/questions.ts';
import type { PoolName, VolumeId } from '#schema/ids.ts';
import type { StoredItem } from '#schema/inventory.ts';
import { poolParts } from '#schema/pools.ts';

/** Something on a backend that is a volume, or could become one. */
export interface Manageable {
  readonly name: string;
  readonly sizeBytes: number;
  /** GiB, rounded up: what a volume of it would have. */
  readonly sizeGib: number;
  /** The id that it has already. */
  readonly managedAs: string | null;
  /** Why it cannot be managed, in words. */
  readonly reason: string | null;
}

export const GIB = 1024 ** 3;

/**
 * The pool that `host@backend#pool` names, or the only one of `host@backend`.
 * @param missing what is thrown when there is none.
 * @throws ApiError 400 when there are several
 */
export async function findPool(
  { app }: RequestContext,
  host: string,
  missing: () => ApiError,
): Promise<{ readonly name: PoolName; readonly availabilityZone: string; readonly backendName: string }> {
  // Text that is no ASCII names no host, and MySQL compares names in ASCII.
  const known = /^[\x20-\x7e]*$/.test(host)
    ? await app.db
        .selectFrom('pools')
        .select(['name', 'service_host', 'availability_zone', 'backend_name'])
        .where((eb) => eb.or([eb('name', '=', host as PoolName), eb('service_host', '=', host)]))
        .execute()
    : [];
  const [pool, ...others] = known;
  if (pool === undefined) throw missing();
  if (others.length > 0) throw badRequest(`${host.slice(0, 255)} has several pools: name one of them.`);
  return { name: pool.name, availabilityZone: pool.availability_zone, backendName: pool.backend_name };
}

/** Asks the pool's agent what lies there. @throws ApiError 503 when it does not answer */
export async function readBackend({ app }: RequestContext, pool: PoolName): Promise<readonly StoredItem[]> {
  const { agent, backend } = poolParts(pool);
  const { backends } = await app.questions.ask(agent, 'storage.inventory', {}).catch((error: unknown) => {
    throw error instanceof Unanswered ? new ApiError(503, error.message) : error;
  });
  const found = backends.find(({ name }) => name === backend);
  if (found?.error != null) throw new ApiError(503, `Backend ${backend} cannot be read: ${found.error}`);
  return found?.items ?? [];
}

/** What is a volume there, or could be. @throws ApiError 503 when the pool's agent does not answer */
export async function listStored(context: RequestContext, pool: PoolName): Promise<Manageable[]> {
  const { app } = context;
  const items = (await readBackend(context, pool)).filter(
    ({ kind }) => kind === 'volume' || kind === 'foreign',
  );
  const ids = items.flatMap(({ id }) => id ?? []) as VolumeId[];
  const rows =
    ids.length === 0
      ? []
      : await app.db.selectFrom('volumes').select(['id', 'pool']).where('id', 'in', ids).execute();
  const known = new Map(rows.map(({ id }) => [id as string, id]));
  return items.map((item) => {
    const managedAs = known.get(item.id ?? '') ?? null;
    return {
      name: item.name,
      sizeBytes: item.sizeBytes,
      sizeGib: Math.max(1, Math.ceil(item.sizeBytes / GIB)),
      managedAs,
      reason: managedAs === null ? reasonAgainst(item) : 'already managed',
    };
  });
}

function reasonAgainst({ unfit, open, sizeBytes }: StoredItem): string | null {
  if (unfit !== null) return unfit;
  if (open === true) return 'in use: something on the host has it open';
  return sizeBytes === 0 ? 'empty' : null;
}
