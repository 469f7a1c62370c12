import { sqlTimeToMs } from '#schema/clock.ts';
import { busyVolumes, isOpen } from './busy.ts';
import type { Finding } from './difference.ts';
import { compareKeys } from './keys.ts';
import type { OperationRow, Rows, VolumeRow } from './rows.ts';

/** Operations that change what is reserved: while one is under way in a pool, its sums are not looked at. */
export const RESERVING: ReadonlySet<string> = new Set([
  'volume.create',
  'volume.delete',
  'volume.extend',
  'volume.manage',
  'volume.unmanage',
  'snapshot.create',
  'snapshot.delete',
  'snapshot.manage',
  'snapshot.unmanage',
]);

/** How long a client may take from `os-reserve` to what it has reserved the volume for. */
const RESERVED_FOR_MS = 3_600_000;

/**
 * Compares MySQL with itself: sums, marks, statuses and keys.
 * @param now milliseconds since 1970
 */
export function compareDatabase(rows: Rows, now: number): Finding[] {
  const busy = busyVolumes(rows);
  return [
    ...comparePools(rows),
    ...[...rows.volumes.values()].flatMap((row) => [
      ...compareMark(rows, row),
      ...(busy.has(row.id) || row.operation_id !== null ? [] : compareStatus(rows, row, now)),
    ]),
    ...stuckOperations(rows, busy),
    ...compareKeys(rows),
  ];
}

function comparePools(rows: Rows): Finding[] {
  const open = [...rows.operations.values()].filter(({ state }) => isOpen(state));
  const moving = new Set<string>([
    ...open.flatMap(({ kind, volume_id }) =>
      RESERVING.has(kind) ? (rows.volumes.get(volume_id)?.pool ?? []) : [],
    ),
    // One that moves has taken room where its row does not say yet that it lies.
    ...rows.moves.flatMap(({ volume_id, to }) => (rows.volumes.get(volume_id)?.pool === to ? [] : [to])),
  ]);
  return rows.pools.flatMap(({ name, allocated_gib, volume_count }): Finding[] => {
    if (moving.has(name)) return [];
    const { gib, count } = poolSums(rows, name);
    if (gib === allocated_gib && count === volume_count) return [];
    return [
      {
        kind: 'pool-sums',
        subject: name,
        wanted: `${gib} GiB in ${count} volume(s), snapshots counted as GiB`,
        found: `${allocated_gib} GiB in ${volume_count} volume(s)`,
        repair: 'Count again.',
        care: 'safe',
        action: { do: 'recount', pool: name },
      },
    ];
  });
}

/** What a pool's volumes and their snapshots have reserved. */
function poolSums({ volumes, snapshots }: Rows, pool: string): { gib: number; count: number } {
  const here = [...volumes.values()].filter((row) => row.pool === pool);
  const taken = [...snapshots.values()].filter(
    (row) => row.reserved === 1 && volumes.get(row.volume_id)?.pool === pool,
  );
  return {
    gib: [...here, ...taken].reduce((sum, { size_gib }) => sum + size_gib, 0),
    count: here.length,
  };
}

/** A volume that is held by an operation which has ended, or is not there. */
function compareMark({ operations }: Rows, { id, operation_id }: VolumeRow): Finding[] {
  if (operation_id === null) return [];
  const operation = operations.get(operation_id);
  if (isOpen(operation?.state)) return [];
  if (operation?.state === 'stuck' && operation.kind === 'volume.repair')
    return [
      {
        kind: 'volume-held',
        subject: id,
        volumeId: id,
        wanted: 'no operation, or one that is under way',
        found: operation.error ?? 'left as it is by "blockyard restored"',
        repair: 'Mend what it names, stop apis and conductors, and run "blockyard restored" again.',
        care: 'none',
      },
    ];
  return [
    {
      kind: 'volume-held',
      subject: id,
      volumeId: id,
      wanted: 'no operation, or one that is under way',
      found: `held by operation ${operation_id}, which ${operation === undefined ? 'does not exist' : `is ${operation.state}`}`,
      repair: 'Let go of the volume, or give it to the next operation that waits for it.',
      care: 'safe',
      action: { do: 'let-go', volumeId: id },
    },
  ];
}

const WORKING: ReadonlySet<string> = new Set([
  'creating',
  'attaching',
  'detaching',
  'extending',
  'uploading',
  'deleting',
  'managing',
  'unmanaging',
  'reverting',
  'retyping',
  'maintenance',
  'downloading',
  'backing-up',
  'restoring-backup',
]);

/** What became of the data in these nobody can tell from attachments: delete the volume, by force if need be. */
const UNSETTLED: ReadonlySet<string> = new Set([
  'creating',
  'managing',
  'deleting',
  'reverting',
  'downloading',
  'restoring-backup',
]);

/** Statuses that promise work which nobody does, or attachments that are not there. */
function compareStatus(
  { attached }: Rows,
  { id, status, created_at, updated_at }: VolumeRow,
  now: number,
): Finding[] {
  const attachments = attached.get(id) ?? [];
  const made = attachments.filter((row) => row.status === 'attached').length;
  // A client that connects by itself takes the time it needs between `attaching` and `complete`, and to let go.
  const client = attachments.some((row) => row.managed === 0 || row.status === 'reserved');
  const wrong =
    (WORKING.has(status) && !(client && (status === 'attaching' || status === 'detaching'))) ||
    (status === 'in-use' && made === 0) ||
    (status === 'available' && attachments.length > 0) ||
    (status === 'reserved' &&
      attachments.length === 0 &&
      now - sqlTimeToMs(updated_at ?? created_at) > RESERVED_FOR_MS);
  if (!wrong) return [];
  return [
    {
      kind: 'volume-status',
      subject: id,
      volumeId: id,
      wanted: `no operation is at work, ${attachments.length} attachment(s), ${made} of them complete`,
      found: `status ${status}`,
      repair: 'Set the status to what its attachments make of it.',
      ...(UNSETTLED.has(status)
        ? { care: 'none' as const }
        : { care: 'named' as const, action: { do: 'settle', volumeId: id } as const }),
    },
  ];
}

/** Those that nobody has seen to: their volume is there and has had no operation since. */
function stuckOperations({ operations, volumes }: Rows, busy: ReadonlySet<string>): Finding[] {
  return [...operations.values()].flatMap((row): Finding[] => {
    if (row.state !== 'stuck' || !volumes.has(row.volume_id) || busy.has(row.volume_id)) return [];
    return [
      {
        kind: 'operation-stuck',
        subject: row.id,
        volumeId: row.volume_id,
        wanted: `${row.kind} done or undone`,
        found: `stuck: ${row.error ?? 'no reason is known'}`,
        cause: causeOf(row),
        repair:
          'Mend what it names, then ask for the same again (delete, detach), or reset the volume to the status that is true.',
        care: 'none',
      },
    ];
  });
}

/** An operation as a cause. */
export function causeOf({ id, kind, state, error, created_at }: OperationRow): string {
  const why = error === null ? '' : ` (${error.slice(0, 300)})`;
  return `Newest operation: ${kind} ${id} of ${created_at.slice(0, 19)} UTC, ${state}${why}`;
}
