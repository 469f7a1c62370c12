import type { PoolName } from '#schema/ids.ts';
import type { BackendInventory, StorageInventory, StoredItem } from '#schema/inventory.ts';
import { type PoolParts, poolName } from '#schema/pools.ts';
import { placeOf } from '../drift/place-of.ts';
import type { VolumeRow } from '../drift/rows.ts';

/** One place on a storage host, which several back ends may mean. */
interface Shelf {
  readonly agent: string;
  readonly backends: readonly BackendInventory[];
  readonly volumes: ReadonlyMap<string, StoredItem>;
}

export interface Storage {
  readonly shelves: readonly Shelf[];
  /** What could not be looked at, in words. */
  readonly unseen: readonly string[];
}

/** @param silent why hosts said nothing, by `kind host` */
export function readStorage(
  storage: ReadonlyMap<string, StorageInventory>,
  silent: ReadonlyMap<string, string>,
): Storage {
  const shelves: Shelf[] = [];
  const unseen = [...silent.keys()]
    .filter((each) => each.startsWith('storage '))
    .map((each) => `${each} host`);
  for (const [agent, { backends }] of storage) {
    const read = backends.filter((each) => each.items !== null);
    unseen.push(
      ...backends.flatMap(({ name, error }) =>
        error === null ? [] : [`back end ${name} of storage host ${agent}`],
      ),
    );
    for (const same of Map.groupBy(read, ({ place, ...each }) => place ?? contentOf(each)).values()) {
      const volumes = (same[0]?.items ?? []).filter(({ kind, id }) => kind === 'volume' && id !== null);
      shelves.push({ agent, backends: same, volumes: new Map(volumes.map((item) => [item.id ?? '', item])) });
    }
  }
  return { shelves, unseen };
}

/** Of an agent that does not say where its back ends keep their volumes: those that show the very same are taken for one. */
function contentOf({ name, items }: BackendInventory): string {
  return items === null || items.length === 0
    ? name
    : JSON.stringify(items.map((item) => item.name).toSorted());
}

/** Where a volume's data are. */
export type Where =
  | { readonly at: 'here'; readonly luks: boolean | null }
  /** In exactly one other pool. */
  | { readonly at: 'moved'; readonly pool: PoolName; readonly luks: boolean | null }
  | { readonly at: 'nowhere' }
  | { readonly at: 'several'; readonly reason: string }
  | { readonly at: 'unknown'; readonly reason: string };

/** Looks for the volume's data by their name, everywhere. `busy`: an operation is under way that may have made them since. */
export function whereIs(
  { shelves, unseen }: Storage,
  storage: ReadonlyMap<string, StorageInventory>,
  volume: VolumeRow,
  busy: boolean,
): Where {
  const place = placeOf(volume);
  const own = place === null ? undefined : storage.get(place.agent);
  if (place !== null && own === undefined)
    return { at: 'unknown', reason: `storage host ${place.agent} did not answer` };
  const backend = own?.backends.find(({ name }) => name === place?.backend);
  if (place !== null && backend === undefined)
    return { at: 'unknown', reason: `storage host ${place.agent} has no back end ${place.backend}` };
  if (backend !== undefined && backend.error !== null)
    return { at: 'unknown', reason: `back end ${backend.name} could not be read: ${backend.error}` };
  const found = shelves.filter(({ volumes }) => volumes.has(volume.id));
  const mine = found.find(({ agent, backends }) => agent === place?.agent && isOneOf(backends, place));
  // Keeps nothing, and claims to have every volume.
  const here = mine !== undefined || (backend !== undefined && backend.items === null);
  const others = found.filter((shelf) => shelf !== mine);
  if (others.length + (here ? 1 : 0) > 1)
    return { at: 'several', reason: `its data are in several places: ${found.map(nameOf).join(', ')}` };
  if (here) return { at: 'here', luks: mine?.volumes.get(volume.id)?.luks ?? null };
  const [other] = others;
  // What cannot be seen may have it, or have it as well.
  if (unseen.length > 0 && (place !== null || other !== undefined || busy))
    return {
      at: 'unknown',
      reason: `its data are not in ${volume.pool ?? 'any place'}, and not seen was ${unseen[0]}`,
    };
  if (other === undefined) return { at: 'nowhere' };
  return { at: 'moved', pool: nameOf(other), luks: other.volumes.get(volume.id)?.luks ?? null };
}

function isOneOf(backends: readonly BackendInventory[], place: PoolParts): boolean {
  return backends.some(({ name }) => name === place.backend);
}

function nameOf({ agent, backends: [first] }: Shelf): PoolName {
  const { name = '', backendName = '' } = first ?? {};
  return poolName({ agent: agent as PoolParts['agent'], backend: name, backendName });
}
