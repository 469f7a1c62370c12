import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict, invalidInput } from '#api/http/errors.ts';
import { pageOf } from '#api/http/paged.ts';
import type { Reply } from '#api/http/route.ts';
import { isReferenced } from '#api/http/sql-errors.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type VolumeTypeId } from '#schema/ids.ts';
import { findType, noType, type TypeRow, typeView } from './rows.ts';
import type { NewType, TypeChanges } from './schema.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = { id: 'id', name: 'name', created_at: 'created_at', updated_at: 'updated_at' } as const;

export async function listTypes(context: RequestContext, query: Query): Promise<Reply> {
  const wanted = context.caller.isAdmin ? readIsPublic(query['is_public']) : 1;
  const all = await context.app.db
    .selectFrom('volume_types')
    .selectAll()
    .$if(wanted !== undefined, (select) => select.where('is_public', '=', wanted ?? 1))
    .execute();
  const { rows, links } = pageOf(context, query, all, SORT_COLUMNS, 'types', noType);
  const types = rows.map((row) => typeView(context, row));
  return {
    status: 200,
    body: { volume_types: types, ...(links.length > 0 && { volume_type_links: links }) },
  };
}

/** Undefined means both; Cinder's administrators say `None` for it. */
function readIsPublic(text: string | undefined): 0 | 1 | undefined {
  const word = (text ?? 'true').toLowerCase();
  if (word === 'none') return undefined;
  if (/^(1|t|true|on|y|yes)$/.test(word)) return 1;
  if (/^(0|f|false|off|n|no)$/.test(word)) return 0;
  throw invalidInput(`Invalid is_public filter [${word.slice(0, 100).toWellFormed()}]`);
}

export async function showType(context: RequestContext, id: string): Promise<Reply> {
  if (id === 'default') throw new ApiError(404, 'Default volume type can not be found.');
  return reply(context, await findType(context, id));
}

function reply(context: RequestContext, row: TypeRow): Reply {
  return { status: 200, body: { volume_type: typeView(context, row) } };
}

export async function createType(context: RequestContext, wanted: NewType): Promise<Reply> {
  const { db, ids, clock } = context.app;
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
  return reply(context, row);
}

export async function updateType(context: RequestContext, id: string, changes: TypeChanges): Promise<Reply> {
  const { db, clock } = context.app;
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
  return reply(context, await findType(context, id));
}

const taken = (name: string): ApiError => conflict(`Volume Type ${name} already exists.`);

export async function deleteType(context: RequestContext, id: string): Promise<Reply> {
  const row = await findType(context, id);
  try {
    await context.app.db.deleteFrom('volume_types').where('id', '=', row.id).execute();
  } catch (error) {
    throw isReferenced(error) ? badRequest('Target volume type is still in use.') : error;
  }
  return { status: 202 };
}
