import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { readPage } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import type { PoolName } from '#schema/ids.ts';
import { serviceNotFound } from '../services/find.ts';
import { hostOrCluster } from '../services/host-or-cluster.ts';
import { findPool, type Manageable } from './stored.ts';

/** Minor from which a cluster may be named. */
const CLUSTERS_SINCE = 17;

type Query = Readonly<Record<string, string>>;

/** What is listed, and how it is called. */
interface Listing<M extends Manageable> {
  readonly path: string;
  readonly key: string;
  readonly stored: (context: RequestContext, pool: PoolName) => Promise<M[]>;
  /** What the view of one has besides. */
  readonly more: (item: M) => object;
}

/** What could be managed on one pool, in pages. */
export async function listManageable<M extends Manageable>(
  context: RequestContext,
  query: Query,
  detail: boolean,
  { path, key, stored, more }: Listing<M>,
): Promise<Reply> {
  const { host, cluster } = hostOrCluster(context, query, CLUSTERS_SINCE);
  const { limit, offset, marker } = readPage(query);
  const inOrder = order(query);
  if (cluster !== '') throw new ApiError(404, 'Service cinder-volume could not be found.');
  // A service is of a host and a backend, whatever pool is asked for.
  const missing = (): ApiError => serviceNotFound('cinder-volume', host.split('#')[0] ?? '');
  const { name } = await findPool(context, host, missing);
  const all = (await stored(context, name)).toSorted(inOrder);
  const at = marker === undefined ? -1 : all.findIndex((each) => each.name === nameIn(marker));
  if (marker !== undefined && at === -1) throw badRequest('marker not found');
  const shown = all.slice(at + 1 + offset, at + 1 + offset + limit);
  const last = shown.at(-1);
  const next =
    last === undefined || shown.length < limit
      ? []
      : [{ rel: 'next', href: link(context, last, `${path}${detail ? '/detail' : ''}`) }];
  return {
    status: 200,
    body: {
      [key]: shown.map((each) => ({ ...view(each, detail), ...more(each) })),
      ...(next.length > 0 && { [`${key}_links`]: next }),
    },
  };
}

function view({ name, sizeGib, sizeBytes, reason, managedAs }: Manageable, detail: boolean) {
  return {
    reference: { 'source-name': name },
    size: sizeGib,
    safe_to_manage: reason === null,
    ...(detail && {
      reason_not_safe: reason,
      cinder_id: managedAs,
      extra_info: { size_bytes: sizeBytes },
    }),
  };
}

function link({ selfUrl, rawQuery }: RequestContext, { name }: Manageable, path: string): string {
  const query = new URLSearchParams(rawQuery);
  query.set('marker', JSON.stringify({ 'source-name': name }));
  return `${selfUrl}/${path}?${query.toString()}`;
}

/** A reference, as JSON, as Python prints a dictionary (which is what clients of Cinder send), or a bare name. */
function nameIn(marker: string): string {
  return /^\{\s*u?['"]source-name['"]\s*:\s*u?['"](.*)['"]\s*\}$/.exec(marker)?.[1] ?? marker;
}

/** `sort=size:desc,reference`, or the older `sort_key` and `sort_dir`. */
function order(query: Query): (a: Manageable, b: Manageable) => number {
  const { sort, sort_key: key, sort_dir: direction = 'desc' } = query;
  const text = sort ?? (key === undefined ? 'reference:asc' : `${key}:${direction}`);
  const keys = text.split(',').map((part) => {
    const [name = '', way = 'desc'] = part.split(':').map((each) => each.trim());
    if (name !== 'size' && name !== 'reference')
      throw badRequest(`Invalid sort keys passed: ${name.toWellFormed()}`);
    if (way !== 'asc' && way !== 'desc') throw badRequest(`Invalid sort dirs passed: ${way.toWellFormed()}`);
    return { name, sign: way === 'asc' ? 1 : -1 };
  });
  const byName = (a: Manageable, b: Manageable): number => (a.name < b.name ? -1 : Number(a.name > b.name));
  return (a, b) => {
    for (const { name, sign } of keys) {
      const result = name === 'size' ? a.sizeBytes - b.sizeBytes : byName(a, b);
      if (result !== 0) return sign * result;
    }
    return byName(a, b);
  };
}
