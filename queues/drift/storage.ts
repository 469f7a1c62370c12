import type { PoolName } from '#schema/ids.ts';
import type { BackendInventory, RemovableKind, StorageInventory, StoredItem } from '#schema/inventory.ts';
import { poolParts } from '#schema/pools.ts';
import { busyVolumes } from './busy.ts';
import type { Finding } from './difference.ts';
import { compareExports } from './exports.ts';
import { hasOwnData, type Inventories } from './own-data.ts';
import { placeOf } from './place-of.ts';
import type { Rows, VolumeRow } from './rows.ts';

const GIB = 1024 ** 3;

/**
 * Compares what MySQL says is on one storage host with what its agent tells.
 * @param all what other hosts have told, too.
 */
export function compareStorage(
  rows: Rows,
  host: string,
  inventory: StorageInventory,
  all: Inventories,
): Finding[] {
  const busy = busyVolumes(rows);
  const here = [...rows.volumes.values()].filter((row) => placeOf(row)?.agent === host);
  return [
    ...inventory.backends.flatMap((backend) => [
      ...compareVolumes(backend, here, busy),
      ...compareSnapshots(rows, backend, here, busy),
      ...leftovers(rows, host, backend, here, busy, all),
    ]),
    ...missingBackends(here, inventory),
    ...compareExports(rows, host, inventory, busy),
  ];
}

function missingBackends(here: readonly VolumeRow[], { backends }: StorageInventory): Finding[] {
  const known = new Set(backends.map(({ name }) => name));
  const pools = Map.groupBy(here, ({ pool }) => pool as PoolName);
  return [...pools].flatMap(([pool, volumes]) => {
    if (known.has(poolParts(pool).backend)) return [];
    return [
      {
        kind: 'backend-missing',
        subject: poolParts(pool).backend,
        wanted: `backend ${poolParts(pool).backend} with ${volumes.length} volume(s)`,
        found: 'the agent is configured without it',
        repair: 'Put the backend back into BLOCKYARD_BACKENDS of that host and restart its agent.',
        care: 'none' as const,
      },
    ];
  });
}

function compareVolumes(
  { name: backend, kind, items }: BackendInventory,
  here: readonly VolumeRow[],
  busy: ReadonlySet<string>,
): Finding[] {
  if (items === null) return [];
  const found = new Map(items.filter((item) => item.kind === 'volume').map((item) => [item.id, item]));
  const strangers = new Set(items.filter((item) => item.kind === 'foreign').map(({ name }) => name));
  return here.flatMap((row): Finding[] => {
    if (placeOf(row)?.backend !== backend || busy.has(row.id)) return [];
    const item = found.get(row.id);
    const wanted = `${row.size_gib} GiB on backend ${backend} (status ${row.status})`;
    if (item === undefined) {
      const stranger = strangers.has(`volume-${row.id}`);
      return [
        {
          kind: 'volume-missing',
          subject: row.id,
          volumeId: row.id,
          wanted,
          found: stranger ? 'something of that name that is not ours' : 'nothing',
          repair:
            'Its data are not there: look for them (another host, a renamed volume, a backup) and put them back under this name, or delete the volume.',
          care: 'none',
        },
      ];
    }
    return compareSize(row, item, wanted, kind);
  });
}

function compareSize(row: VolumeRow, item: StoredItem, wanted: string, kind: string): Finding[] {
  const bytes = row.size_gib * GIB;
  if (item.sizeBytes === bytes) return [];
  const about = { subject: row.id, volumeId: row.id, wanted, found: `${item.sizeBytes} bytes` };
  if (item.sizeBytes < bytes) {
    return [
      {
        ...about,
        kind: 'volume-smaller',
        repair: 'Grow it to its size; what was cut off is lost all the same.',
        care: 'safe',
        action: { do: 'grow', volumeId: row.id },
      },
    ];
  }
  // LVM rounds up to whole extents.
  if (kind !== 'file' && item.sizeBytes < bytes + GIB) return [];
  return [
    {
      ...about,
      kind: 'volume-larger',
      repair: `Extend the volume to ${Math.floor(item.sizeBytes / GIB)} GiB to use what is there; a volume is never made smaller.`,
      care: 'none',
    },
  ];
}

function compareSnapshots(
  { snapshots }: Rows,
  { name: backend, items }: BackendInventory,
  here: readonly VolumeRow[],
  busy: ReadonlySet<string>,
): Finding[] {
  if (items === null) return [];
  const found = new Set(items.filter(({ kind }) => kind === 'snapshot').map(({ id }) => id));
  const volumes = new Map(here.map((row) => [row.id as string, row]));
  return [...snapshots.values()].flatMap((row): Finding[] => {
    const volume = volumes.get(row.volume_id);
    if (volume === undefined || placeOf(volume)?.backend !== backend || busy.has(volume.id)) return [];
    if (row.status !== 'available' || found.has(row.id)) return [];
    return [
      {
        kind: 'snapshot-missing',
        subject: row.id,
        volumeId: row.volume_id,
        snapshotId: row.id,
        wanted: `a snapshot of volume ${row.volume_id} on backend ${backend}`,
        found: 'nothing',
        repair: 'Its data are not there: put them back under this name, or delete the snapshot.',
        care: 'none',
      },
    ];
  });
}

/** What lies there and has no row that asks for it. */
function leftovers(
  rows: Rows,
  host: string,
  { name: backend, items }: BackendInventory,
  here: readonly VolumeRow[],
  busy: ReadonlySet<string>,
  all: Inventories,
): Finding[] {
  const mine = new Set(here.map(({ id }) => id as string));
  return (items ?? []).flatMap((item): Finding[] => {
    const { kind, id, name } = item;
    if (id === null || busy.has(id)) return [];
    const size = `${(item.sizeBytes / GIB).toFixed(2)} GiB`;
    const common = {
      subject: `${backend}/${name}`,
      ...(kind === 'volume' && { volumeId: id }),
      found: `${name}, ${size}, on backend ${backend}${item.open === true ? ', open' : ''}`,
    };
    const remove = (removable: RemovableKind, ownerId: string) => ({
      action: { do: 'remove', host, backend, kind: removable, id, ownerId } as const,
    });
    switch (kind) {
      case 'volume': {
        if (mine.has(id)) return [];
        const elsewhere = rows.volumes.get(id);
        return [
          {
            ...common,
            kind: 'volume-orphan',
            wanted:
              elsewhere === undefined ? 'no such volume' : `volume ${id} in ${elsewhere.pool ?? 'no pool'}`,
            ...(elsewhere === undefined || hasOwnData(elsewhere, all) === true
              ? {
                  repair: 'Keep it (manage it as a volume), or remove it with its data.',
                  care: 'data' as const,
                  ...remove(kind, id),
                }
              : {
                  repair:
                    'These may be the volume’s only data: nobody has found any where MySQL says that they are. Bring them there under this name; or delete the volume, and look again.',
                  care: 'none' as const,
                }),
          },
        ];
      }
      case 'snapshot':
        if (rows.snapshots.has(id)) return [];
        return [
          {
            ...common,
            kind: 'snapshot-orphan',
            ...(originOf(item) !== null && { volumeId: originOf(item) ?? '' }),
            wanted: 'no such snapshot',
            repair: 'Remove it with its data.',
            care: 'data',
            ...remove(kind, originOf(item) ?? id),
          },
        ];
      case 'filling':
      case 'copying':
      case 'deleting': {
        const owner = rows.snapshots.get(id)?.volume_id ?? id;
        if (busy.has(owner)) return [];
        const volume = kind === 'deleting' ? rows.volumes.get(id) : undefined;
        if (volume !== undefined && hasOwnData(volume, all) !== true)
          return [
            {
              ...common,
              kind: 'leftover',
              volumeId: id,
              wanted: `volume ${id} in ${volume.pool ?? 'no pool'}`,
              repair:
                'These may be the volume’s only data (new ones were to take their place, or its deletion was cut short): give them the volume’s name where MySQL says that it lies; or delete the volume, which removes them there.',
              care: 'none',
            },
          ];
        return [
          {
            ...common,
            kind: 'leftover',
            volumeId: owner,
            wanted: 'nothing under way',
            ...LEFT[kind],
            ...remove(kind, owner),
          },
        ];
      }
      case 'replacing':
        if (busy.has(id)) return [];
        return [
          {
            ...common,
            kind: 'leftover',
            volumeId: id,
            wanted: 'nothing under way',
            repair:
              'New data that were to take the volume’s place: ask for the same (revert, reimage) again, which ends it. A volume whose retype is stuck can only be deleted.',
            care: 'none',
          },
        ];
      case 'image':
        // Who lets go of copies is the agent itself, and not all at once; a Glance's images are not in MySQL.
        return [];
      case 'imagefilling':
      case 'imagedeleting':
      case 'foreign':
        return [];
      default:
        return kind satisfies never;
    }
  });
}

/** The volume that a snapshot is of, where LVM tells. */
function originOf({ origin }: StoredItem): string | null {
  return /^volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(origin ?? '')?.[1] ?? null;
}

const LEFT = {
  filling: {
    repair: 'Remove it: a copy that was never whole, of data that are elsewhere.',
    care: 'named',
  },
  copying: { repair: 'Remove it: a copy that was made to be read once.', care: 'named' },
  deleting: {
    repair: 'Remove it: its deletion was asked for, or other data took its place, and it could not be wiped.',
    care: 'named',
  },
} as const;
