import type { StorageInventory } from '#schema/inventory.ts';
import { placeOf } from './place-of.ts';
import type { Rows, VolumeRow } from './rows.ts';

/** By the name of their host. */
export type Inventories = ReadonlyMap<string, StorageInventory>;

/** Whether a volume's data lie where MySQL says; null: nobody could look. */
export function hasOwnData(row: VolumeRow, inventories: Inventories): boolean | null {
  const place = placeOf(row);
  if (place === null) return false;
  const backend = inventories.get(place.agent)?.backends.find(({ name }) => name === place.backend);
  if (backend?.items == null) return null;
  return backend.items.some(({ kind, id }) => kind === 'volume' && id === row.id);
}

/** Other hosts that must be asked before what lies here under a volume's name is taken for needless. */
export function witnessesOf({ volumes }: Rows, inventories: Inventories): string[] {
  const hosts = [...inventories.values()]
    .flatMap(({ backends }) => backends)
    .flatMap(({ items }) => items ?? [])
    .flatMap(({ kind, id }) => {
      const row = (kind === 'volume' || kind === 'deleting') && id !== null ? volumes.get(id) : undefined;
      const agent = row === undefined ? undefined : placeOf(row)?.agent;
      return agent === undefined || inventories.has(agent) ? [] : [agent];
    });
  return [...new Set(hosts)];
}
