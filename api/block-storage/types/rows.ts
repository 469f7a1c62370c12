import { CompiledQuery, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { isUuid, type VolumeTypeId } from '#schema/ids.ts';
import type { Tables, VolumeTypesTable } from '#schema/tables.ts';
import type { Specs } from '../type-fields.ts';

export type TypeRow = Selectable<VolumeTypesTable>;

export const noType = (id: string): ApiError =>
  new ApiError(404, `Volume type ${id.slice(0, 255)} could not be found.`);

/** @throws ApiError 404 when there is none, or it is private and the caller's project has no access to it. */
export async function findType(context: RequestContext, id: string): Promise<TypeRow> {
  const row = await readType(context.app.db, id);
  if (row === undefined || !(await mayUse(context, row))) throw noType(id);
  return row;
}

/** A private type is for the projects that have been given it. */
export async function mayUse({ app, caller }: RequestContext, type: TypeRow): Promise<boolean> {
  if (type.is_public === 1 || caller.isAdmin) return true;
  const access = await app.db
    .selectFrom('volume_type_projects')
    .select('project_id')
    .where('volume_type_id', '=', type.id)
    .where('project_id', '=', caller.projectId)
    .executeTakeFirst();
  return access !== undefined;
}

/** For one that was asked for by name or id. */
export function namedTypeMissing(wanted: string): ApiError {
  return isUuid(wanted)
    ? noType(wanted)
    : new ApiError(404, `Volume type with name ${wanted.slice(0, 255).toWellFormed()} could not be found.`);
}

/** Locks the row when read inside a transaction that will change it. */
export async function readType(
  db: Kysely<Tables> | Transaction<Tables>,
  id: string,
  lock = false,
): Promise<TypeRow | undefined> {
  if (!isUuid(id)) return undefined;
  return db
    .selectFrom('volume_types')
    .selectAll()
    .where('id', '=', id.toLowerCase() as VolumeTypeId)
    .$if(lock, (query) => query.forUpdate())
    .executeTakeFirst();
}

/** A type that volumes are to be made of. */
export type NamedType = TypeRow & { readonly encrypted: 0 | 1 };

/** Whether there is an encryption record, beside a type's columns. */
export const ENCRYPTED = sql<
  0 | 1
>`EXISTS (SELECT 1 FROM volume_type_encryptions AS e WHERE e.volume_type_id = volume_types.id)`.as(
  'encrypted',
);

/**
 * Fails a transaction with LostRow when the type asks for encryption after all. To be sent behind the insert of a volume that was not prepared for
 * it: that insert waits for whoever gives the type a record, and who comes later finds the volume.
 */
export function stillPlain(type: VolumeTypeId): CompiledQuery {
  return CompiledQuery.raw(
    'SELECT IF(EXISTS (SELECT 1 FROM volume_type_encryptions WHERE volume_type_id = ?), (SELECT 1 UNION SELECT 2), 0) AS plain',
    [type],
  );
}

/** A name may look like an id, so both are tried, as in Cinder. */
export async function readTypeByNameOrId(db: Kysely<Tables>, wanted: string): Promise<NamedType | undefined> {
  const named = db.selectFrom('volume_types').selectAll().select(ENCRYPTED);
  const byId = isUuid(wanted)
    ? await named.where('id', '=', wanted.toLowerCase() as VolumeTypeId).executeTakeFirst()
    : undefined;
  return byId ?? (await named.where('name', '=', wanted).executeTakeFirst());
}

/** @throws ApiError 404 when there is none, or it is private and the caller's project has no access to it. */
export async function findTypeNamed(context: RequestContext, wanted: string): Promise<NamedType> {
  const type = await readTypeByNameOrId(context.app.db, wanted);
  if (type === undefined || !(await mayUse(context, type))) throw namedTypeMissing(wanted);
  return type;
}

/** Extra specs that everybody may see; the others tell of the storage behind (Cinder's own list). */
export const VISIBLE_TO_ALL: ReadonlySet<string> = new Set([
  'RESKEY:availability_zones',
  'multiattach',
  'replication_enabled',
]);

export function visibleSpecs(context: RequestContext, row: TypeRow): Specs {
  const specs = JSON.parse(row.extra_specs) as Specs;
  if (context.caller.isAdmin) return specs;
  return Object.fromEntries(Object.entries(specs).filter(([key]) => VISIBLE_TO_ALL.has(key)));
}

/** What every reply about a type has. */
export function plainView(context: RequestContext, row: TypeRow) {
  return {
    id: row.id,
    name: row.name,
    is_public: row.is_public === 1,
    description: row.description,
    extra_specs: visibleSpecs(context, row),
  };
}

/** What the default type shows. */
export function defaultView(context: RequestContext, row: TypeRow) {
  return {
    ...plainView(context, row),
    ...(context.caller.isAdmin && { qos_specs_id: row.qos_specs_id }),
  };
}

/** What a list and a single type show; Cinder's rule for the last field is one for members. */
export function typeView(context: RequestContext, row: TypeRow) {
  const { isAdmin, roles } = context.caller;
  return {
    ...defaultView(context, row),
    ...((isAdmin || roles.includes('member')) && { 'os-volume-type-access:is_public': row.is_public === 1 }),
  };
}
