import type { RequestContext } from '#api/http/context.ts';
import { ApiError, forbidden } from '#api/http/errors.ts';
import { parseInput } from '#api/http/validation.ts';
import { asId } from '#schema/ids.ts';
import type { ImageRow } from './rows.ts';
import { FIELDS, type FieldName, MAX_PROPERTIES, propertyName, propertyValue, READ_ONLY } from './schema.ts';

/** An image as a user edits it: the fields that have columns, and the properties of one's own. */
export interface Draft {
  name: string | null;
  visibility: ImageRow['visibility'];
  container_format: string | null;
  disk_format: string | null;
  min_disk: number;
  min_ram: number;
  protected: boolean;
  os_hidden: boolean;
  tags: readonly string[];
  owner: string;
  readonly properties: Map<string, string>;
}

export function isField(name: string): name is FieldName {
  return Object.hasOwn(FIELDS, name);
}

/** What nobody but us says about an image. */
export function isReserved(name: string): boolean {
  return READ_ONLY.has(name) || name === 'id';
}

export function draftOf(row: ImageRow): Draft {
  return {
    name: row.name,
    visibility: row.visibility,
    container_format: row.container_format,
    disk_format: row.disk_format,
    min_disk: row.min_disk,
    min_ram: row.min_ram,
    protected: row.protected === 1,
    os_hidden: row.hidden === 1,
    tags: JSON.parse(row.tags) as string[],
    owner: row.project_id,
    properties: new Map(Object.entries(JSON.parse(row.properties) as Record<string, string>)),
  };
}

/** The columns that a draft fills. */
export function columnsOf(draft: Draft) {
  return {
    name: draft.name,
    visibility: draft.visibility,
    container_format: draft.container_format,
    disk_format: draft.disk_format,
    min_disk: draft.min_disk,
    min_ram: draft.min_ram,
    protected: draft.protected ? 1 : 0,
    hidden: draft.os_hidden ? 1 : 0,
    tags: JSON.stringify(draft.tags),
    project_id: asId<ImageRow['project_id']>(draft.owner),
    properties: JSON.stringify(Object.fromEntries(draft.properties)),
  } as const;
}

/** Sets a field or a property to a value that nobody has checked yet. @throws ApiError 400 or 403 */
export function set(context: RequestContext, draft: Draft, name: string, value: unknown): void {
  if (isReserved(name)) throw forbidden(`Attribute '${name}' is read-only.`);
  if (isField(name)) {
    checkRight(context, draft, name, value);
    Object.assign(draft, { [name]: parseInput(FIELDS[name], value) });
    return;
  }
  draft.properties.set(parseInput(propertyName, name), parseInput(propertyValue, value));
  if (draft.properties.size > MAX_PROPERTIES) {
    throw new ApiError(413, `An image has ${MAX_PROPERTIES} properties at most.`);
  }
}

function checkRight({ caller }: RequestContext, draft: Draft, name: FieldName, value: unknown): void {
  if (caller.isAdmin) return;
  if (name === 'visibility' && value === 'public' && draft.visibility !== 'public') {
    throw forbidden('You are not authorized to complete publicize_image action.');
  }
  if (name === 'owner' && value !== draft.owner) {
    throw forbidden("You are not permitted to change an image's owner.");
  }
}
