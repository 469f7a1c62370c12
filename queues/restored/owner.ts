import type { Kysely, Selectable } from 'kysely';
import type { VolumeId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

const COLUMNS = [
  'id',
  'project_id',
  'user_id',
  'multiattach',
  'number',
  'status',
  'pool',
  'size_gib',
  'seq',
  'operation_id',
] as const;

/** A volume as far as it is settled after a restore. */
export type Owner = Pick<Selectable<Tables['volumes']>, (typeof COLUMNS)[number]>;

export async function readOwners(db: Kysely<Tables>): Promise<ReadonlyMap<VolumeId, Owner>> {
  const rows = await db.selectFrom('volumes').select(COLUMNS).execute();
  return new Map(rows.map((row) => [row.id, row]));
}
