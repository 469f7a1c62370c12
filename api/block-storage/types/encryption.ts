import { type Selectable, sql, type Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { isoTime } from '#api/http/fields.ts';
import { isDuplicateKey, transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables, VolumeTypeEncryptionsTable } from '#schema/tables.ts';
import type { EncryptionChanges, NewEncryption } from './encryption-schema.ts';
import { findType, noType, readType } from './rows.ts';

type EncryptionRow = Selectable<VolumeTypeEncryptionsTable>;
type Settings = Pick<EncryptionRow, 'provider' | 'control_location' | 'cipher' | 'key_size'>;

export const noEncryption = (id: string): ApiError =>
  new ApiError(404, `Volume type encryption for type ${id.slice(0, 255)} does not exist.`);

/** The record as Cinder shows it; empty for a type without one. */
export async function showEncryption(context: RequestContext, id: string): Promise<Record<string, unknown>> {
  const type = await findType(context, id);
  const row = await context.app.db
    .selectFrom('volume_type_encryptions')
    .selectAll()
    .where('volume_type_id', '=', type.id)
    .executeTakeFirst();
  if (row === undefined) return {};
  return {
    ...row,
    created_at: isoTime(row.created_at),
    updated_at: row.updated_at === null ? null : isoTime(row.updated_at),
    deleted_at: null,
    deleted: false,
  };
}

/** Whether a volume has the type, or is about to get it: what its data will be like has been decided when that was asked for. */
async function isUsed(trx: Transaction<Tables>, type: VolumeTypeId): Promise<boolean> {
  const volume = trx.selectFrom('volumes').select('id').where('volume_type_id', '=', type);
  const retype = trx
    .selectFrom('operations')
    .select('id')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .where('kind', '=', 'volume.retype')
    .where(sql`JSON_VALUE(input, '$.type.id')`, '=', type);
  const found = (await volume.limit(1).executeTakeFirst()) ?? (await retype.limit(1).executeTakeFirst());
  return found !== undefined;
}

/** Works on a type that no volume has, under its lock: volumes keep what they were made with. */
async function change(
  { app }: RequestContext,
  id: string,
  verb: 'create' | 'update' | 'delete',
  work: (trx: Transaction<Tables>, type: VolumeTypeId) => Promise<void>,
): Promise<void> {
  await transact(app.db, async (trx) => {
    const type = await readType(trx, id, true);
    if (type === undefined) throw verb === 'delete' ? noEncryption(id) : noType(id);
    if (await isUsed(trx, type.id)) throw badRequest(`Cannot ${verb} encryption specs. Volume type in use.`);
    await work(trx, type.id);
  });
  app.defaultTypes.forget();
}

export async function createEncryption(
  context: RequestContext,
  id: string,
  wanted: NewEncryption,
): Promise<Record<string, unknown>> {
  const { ids, clock } = context.app;
  const record = { volume_type_id: id.toLowerCase() as VolumeTypeId, encryption_id: ids.uuid() };
  await change(context, id, 'create', async (trx) => {
    await trx
      .insertInto('volume_type_encryptions')
      .values({
        ...record,
        provider: wanted.provider,
        control_location: wanted.control_location,
        cipher: wanted.cipher ?? null,
        key_size: wanted.key_size ?? null,
        created_at: sqlTime(clock.now()),
        updated_at: null,
      })
      .execute();
  }).catch((error: unknown) => {
    if (!isDuplicateKey(error)) throw error;
    throw badRequest(`Volume type encryption for type ${id} already exists.`);
  });
  return { ...given(wanted), ...record };
}

export async function updateEncryption(
  context: RequestContext,
  id: string,
  changes: EncryptionChanges,
): Promise<Partial<Settings>> {
  const values = given(changes);
  await change(context, id, 'update', async (trx, type) => {
    const { numUpdatedRows } = await trx
      .updateTable('volume_type_encryptions')
      .set({ ...values, updated_at: sqlTime(context.app.clock.now()) })
      .where('volume_type_id', '=', type)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw noEncryption(id);
  });
  return values;
}

export async function deleteEncryption(context: RequestContext, id: string): Promise<void> {
  await change(context, id, 'delete', async (trx, type) => {
    const { numDeletedRows } = await trx
      .deleteFrom('volume_type_encryptions')
      .where('volume_type_id', '=', type)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw noEncryption(id);
  });
}

/** What the request says, without what it leaves open. */
function given(changes: EncryptionChanges): Partial<Settings> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}
