import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { Unanswered } from '#queues/questions.ts';
import type { PoolName, VolumeId } from '#schema/ids.ts';
import type { StoredItem } from '#schema/inventory.ts';
import { poolParts } from '#schema/pools.ts';
import { whyDown } from '../services/down.ts';
import type { ServiceRow } from '../services/find.ts';

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

/** A pool whose content is asked for. */
interface Pool {
  readonly name: PoolName;
  readonly availabilityZone: string;
  readonly backendName: string;
  readonly service: Pick<ServiceRow, 'disabled' | 'last_seen_at'>;
}

/**
 * The pool that `host@backend#pool` names, or the only one of `host@backend`.
 * @param missing what is thrown when there is none.
 * @throws ApiError 400 when there are several
 */
export async function findPool(
  { app }: RequestContext,
  host: string,
  missing: () => ApiError,
): Promise<Pool> {
  // Text that is no ASCII names no host, and MySQL compares names in ASCII.
  const known = /^[\x20-\x7e]*$/.test(host)
    ? await app.db
        .selectFrom('pools')
        .innerJoin('services', 'services.host', 'pools.service_host')
        .select(['pools.name', 'pools.availability_zone', 'pools.backend_name'])
        .select(['services.disabled', 'services.last_seen_at'])
        .where('services.binary', '=', 'blockyard-storage')
        .where((eb) => eb.or([eb('pools.name', '=', host as PoolName), eb('pools.service_host', '=', host)]))
        .execute()
    : [];
  const [pool, ...others] = known;
  if (pool === undefined) throw missing();
  if (others.length > 0) throw badRequest(`${host.slice(0, 255)} has several pools: name one of them.`);
  const { name, availability_zone: availabilityZone, backend_name: backendName, ...service } = pool;
  return { name, availabilityZone, backendName, service };
}

/** @throws ApiError 400 when nothing can be asked of the pool's back end: it is disabled, or its host is down */
export async function checkTaken({ app }: RequestContext, { service }: Pool): Promise<void> {
  if (service.disabled === 1 || (await whyDown(app, service)) !== null)
    throw badRequest('Service is unavailable at this time.');
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
