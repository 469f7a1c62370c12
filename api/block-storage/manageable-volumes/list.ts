import { isClean } from '#api/http/body.ts';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidInput } from '#api/http/errors.ts';
import { readPage, requestedSort } from '#api/http/pagination.ts';
import { repr } from '#api/http/python.ts';
import type { Reply } from '#api/http/route.ts';
import type { PoolName } from '#schema/ids.ts';
import { serviceNotFound } from '../services/find.ts';
import { hostOrCluster } from '../services/host-or-cluster.ts';
import { checkTaken, findPool, type Manageable } from './stored.ts';

/** Minor from which a cluster may be named. */
const CLUSTERS_SINCE = 17;

type Query = Readonly<Record<string, string>>;

/** What is listed, and how it is called. */
export interface Listing<M extends Manageable> {
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
  { key, stored, more }: Listing<M>,
): Promise<Reply> {
  const { host, cluster } = hostOrCluster(context, query, CLUSTERS_SINCE);
  const { limit, offset, marker } = readPage(query);
  const inOrder = order(query);
  if (cluster !== '') throw new ApiError(404, 'Service cinder-volume could not be found.');
  // A service is of a host and a backend, whatever pool is asked for.
  const missing = (): ApiError => serviceNotFound('cinder-volume', host.split('#')[0] ?? '');
  const pool = await findPool(context, host, missing);
  await checkTaken(context, pool);
  const all = (await stored(context, pool.name)).toSorted(inOrder);
  const from = offset + (marker ? after(marker, all) : 0);
  const shown = all.slice(from, from + limit);
  return { status: 200, body: { [key]: shown.map((each) => ({ ...view(each, detail), ...more(each) })) } };
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

/** Where a page begins that follows a reference. @throws ApiError 400 when it is none, or nothing has it */
function after(marker: string, all: readonly Manageable[]): number {
  const reference = readReference(marker);
  const name = Object.keys(reference).length === 1 ? reference['source-name'] : undefined;
  const at = all.findIndex((each) => each.name === name);
  if (at === -1) throw invalidInput(`marker not found: ${repr(reference).slice(0, 1_000).toWellFormed()}`);
  return at + 1;
}

/** As JSON, or as Python prints a dictionary, which is what clients of Cinder have at hand. */
function readReference(marker: string): Readonly<Record<string, unknown>> {
  const printed = /^\{\s*u?'source-name'\s*:\s*u?['"](.*)['"]\s*\}$/.exec(marker)?.[1];
  if (printed !== undefined) return { 'source-name': printed };
  const read = parsed(marker);
  if (read !== undefined && isClean(read)) return Object(read) as Readonly<Record<string, unknown>>;
  const shown = marker.slice(0, 255).toWellFormed();
  throw invalidInput(`marker ${shown} can not be analysed, please use json like format`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const WAYS = ['asc', 'desc'];
const KEYS = ['reference', 'size'];

/** `sort=size:desc,reference`, or the older `sort_key` and `sort_dir`. */
function order(query: Query): (a: Manageable, b: Manageable) => number {
  const keys = requestedSort(query, 'reference');
  const strange = (values: string[], known: string[]): string =>
    [...new Set(values)].filter((value) => !known.includes(value)).join(', ');
  const names = strange(
    keys.map(([name]) => name),
    KEYS,
  );
  if (names !== '') throw badRequest(`Invalid sort keys passed: ${names.toWellFormed()}`);
  const ways = strange(
    keys.map(([, way]) => way),
    WAYS,
  );
  if (ways !== '') throw badRequest(`Invalid sort dirs passed: ${ways.toWellFormed()}`);
  const byName = (a: Manageable, b: Manageable): number => (a.name < b.name ? -1 : Number(a.name > b.name));
  return (a, b) => {
    for (const [name, way] of keys) {
      const result = name === 'size' ? a.sizeGib - b.sizeGib : byName(a, b);
      if (result !== 0) return way === 'asc' ? result : -result;
    }
    return byName(a, b);
  };
}
