import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isReferenced } from '#api/http/sql-errors.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type VolumeTypeId } from '#schema/ids.ts';
import { defaultView, findType, plainView, type TypeRow, typeView } from './rows.ts';
import type { NewType, TypeChanges } from './schema.ts';

export async function showType(context: RequestContext, id: string): Promise<Reply> {
  const view =
    id === 'default'
      ? defaultView(context, await defaultType(context))
      : typeView(context, await findType(context, id));
  return { status: 200, body: { volume_type: view } };
}

async function defaultType({ app, caller }: RequestContext): Promise<TypeRow> {
  const row = await app.defaultTypes.of(caller.projectId);
  if (row === undefined) throw new ApiError(404, 'Default volume type can not be found.');
  return row;
}

export async function createType(context: RequestContext, wanted: NewType): Promise<Reply> {
  const { db, ids, clock, defaultTypes } = context.app;
  const row: TypeRow = {
    id: asId<VolumeTypeId>(ids.uuid()),
    name: wanted.name,
    description: wanted.description ?? null,
    is_public: wanted['os-volume-type-access:is_public'] === false ? 0 : 1,
    qos_specs_id: null,
    extra_specs: JSON.stringify(wanted.extra_specs ?? {}),
    created_at: sqlTime(clock.now()),
    updated_at: null,
  };
  try {
    await db.insertInto('volume_types').values(row).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? taken(wanted.name) : error;
  }
  defaultTypes.forget();
  const view = { ...plainView(context, row), 'os-volume-type-access:is_public': row.is_public === 1 };
  return { status: 200, body: { volume_type: view } };
}

export async function updateType(context: RequestContext, id: string, changes: TypeChanges): Promise<Reply> {
  const { db, clock, defaultTypes } = context.app;
  const { name, description, is_public: isPublic } = changes;
  if (typeof name === 'string' && name.trim() === '') throw badRequest('Volume type name can not be empty.');
  if ((name ?? description ?? isPublic ?? null) === null) {
    throw badRequest('Specify volume type name, description, is_public or a combination thereof.');
  }
  const row = await findType(context, id);
  try {
    await db
      .updateTable('volume_types')
      .set({
        name: name ?? row.name,
        description: description ?? row.description,
        is_public: isPublic === undefined ? row.is_public : isPublic ? 1 : 0,
        updated_at: sqlTime(clock.now()),
      })
      .where('id', '=', row.id)
      .execute();
  } catch (error) {
    throw isDuplicateKey(error) ? taken(name ?? '') : error;
  }
  defaultTypes.forget();
  return { status: 200, body: { volume_type: plainView(context, await findType(context, id)) } };
}

const taken = (name: string): ApiError => conflict(`Volume Type ${name} already exists.`);

/** @throws ApiError 400 for a default type, and for one that volumes or groups have. */
export async function deleteType(context: RequestContext, id: string): Promise<Reply> {
  const { db, defaultTypes } = context.app;
  const row = await findType(context, id);
  const ofProject = await db
    .selectFrom('default_volume_types')
    .select('project_id')
    .where('volume_type_id', '=', row.id)
    .limit(1)
    .executeTakeFirst();
  if (ofProject !== undefined || (await defaultTypes.ofInstallation())?.id === row.id) {
    throw badRequest(`The volume type ${row.id} is a default volume type and cannot be deleted.`);
  }
  try {
    await db.deleteFrom('volume_types').where('id', '=', row.id).execute();
  } catch (error) {
    throw isReferenced(error) ? badRequest('Target volume type is still in use.') : error;
  }
  return { status: 202 };
}
