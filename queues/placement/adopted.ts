import { type Compilable, sql } from 'kysely';
import type { PoolName } from '#schema/ids.ts';
import type { Tx } from '../transaction.ts';
import { NoValidPool } from './place.ts';

/**
 * Counts a volume that lies in the pool already: its room is taken, so unlike a new one it needs none and changes nothing
 * of what is free. @throws NoValidPool when there is no such pool
 */
export async function adopted(tx: Tx, name: PoolName, sizeGib: number): Promise<void> {
  const { matched } = await tx.change(counted(tx, name, sizeGib, 1));
  if (matched === 0) throw new NoValidPool(`There is no pool ${name}.`);
}

/** Counts it no longer; it stays where it is. */
export function forgotten(tx: Tx, name: PoolName, sizeGib: number): void {
  tx.later(counted(tx, name, -sizeGib, -1));
}

/** Counts a snapshot that lies beside its volume already. */
export function adoptedSnapshot(tx: Tx, name: PoolName, sizeGib: number): void {
  tx.later(counted(tx, name, sizeGib, 0));
}

function counted(tx: Tx, name: PoolName, gib: number, volumes: 0 | 1 | -1): Compilable {
  return tx.q
    .updateTable('pools')
    .set({
      allocated_gib: sql`allocated_gib + ${gib}`,
      volume_count: sql`volume_count + ${volumes}`,
    })
    .where('name', '=', name);
}
