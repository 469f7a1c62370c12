import type { RequestContext } from '#api/http/context.ts';
import type { PoolName, SnapshotId } from '#schema/ids.ts';
import type { StoredItem } from '#schema/inventory.ts';
import { GIB, type Manageable, readBackend } from '../manageable-volumes/stored.ts';

/** A snapshot on a backend, or what was one before it was unmanaged. */
export interface ManageableSnapshot extends Manageable {
  /** The name of the volume that it is of; null when nobody can tell. */
  readonly origin: string | null;
}

/** How an unmanaged snapshot is called: of which volume it is only LVM could tell. */
export function unmanagedName(snapshotId: string, volumeId: string): string {
  return `unmanaged-snapshot-${snapshotId}-of-${volumeId}`;
}

const UNMANAGED = /^unmanaged-snapshot-[0-9a-f-]{36}-of-([0-9a-f-]{36})$/;

/** Asks the pool's agent. @throws ApiError 503 when it does not answer */
export async function listStoredSnapshots(
  context: RequestContext,
  pool: PoolName,
): Promise<ManageableSnapshot[]> {
  const items = (await readBackend(context, pool)).filter(
    ({ kind, name, origin }) =>
      kind === 'snapshot' || (kind === 'foreign' && (UNMANAGED.test(name) || origin !== null)),
  );
  const ids = items.flatMap(({ id }) => id ?? []) as SnapshotId[];
  const rows =
    ids.length === 0
      ? []
      : await context.app.db
          .selectFrom('snapshots')
          .select(['id', 'volume_id'])
          .where('id', 'in', ids)
          .execute();
  const known = new Map(rows.map((row) => [row.id as string, row.volume_id as string]));
  return items.map((item) => {
    const managed = known.get(item.id ?? '');
    return {
      name: item.name,
      sizeBytes: item.sizeBytes,
      sizeGib: Math.max(1, Math.ceil(item.sizeBytes / GIB)),
      managedAs: managed === undefined ? null : item.id,
      origin: originOf(item, managed),
      reason: managed === undefined ? reasonAgainst(item) : 'already managed',
    };
  });
}

function originOf({ name, origin }: StoredItem, managed: string | undefined): string | null {
  const volumeId = managed ?? UNMANAGED.exec(name)?.[1];
  return volumeId === undefined ? origin : `volume-${volumeId}`;
}

function reasonAgainst({ open, sizeBytes }: StoredItem): string | null {
  if (open === true) return 'in use: something on the host has it open';
  return sizeBytes === 0 ? 'empty' : null;
}
