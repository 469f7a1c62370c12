import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { asId, type FlavorId } from '#schema/ids.ts';
import type { FlavorsTable } from '#schema/tables.ts';

export type FlavorRow = Selectable<FlavorsTable>;

/** What a server keeps of its flavor. */
export interface KeptFlavor {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
  readonly extra_specs: Readonly<Record<string, string>>;
}

/** @throws ApiError 404 when there is none that the caller may see. */
export async function findFlavor({ app, caller }: RequestContext, id: string): Promise<FlavorRow> {
  // The column is ASCII, and MySQL would fail to compare.
  const row = /^[\x20-\x7e]{1,255}$/.test(id)
    ? await app.db.selectFrom('flavors').selectAll().where('id', '=', asId<FlavorId>(id)).executeTakeFirst()
    : undefined;
  if (row === undefined || (row.is_public === 0 && !caller.isAdmin)) throw noFlavor(id);
  return row;
}

export const noFlavor = (id: string): ApiError =>
  new ApiError(404, `Flavor ${id.slice(0, 255)} could not be found.`);

export function extraSpecsOf(row: FlavorRow): Record<string, string> {
  return JSON.parse(row.extra_specs) as Record<string, string>;
}

export function keptFlavor(row: FlavorRow): KeptFlavor {
  const { id, name, vcpus, ram_mib: ram, disk_gib: disk } = row;
  return { id, name, vcpus, ram, disk, extra_specs: extraSpecsOf(row) };
}
