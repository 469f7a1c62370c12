import type { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, conflict } from '#api/http/errors.ts';
import { pageOf } from '#api/http/paged.ts';
import type { Reply } from '#api/http/route.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type FlavorId } from '#schema/ids.ts';
import { extraSpecsOf, type FlavorRow, findFlavor, noFlavor } from './rows.ts';
import type { createBody, extraSpecsBody } from './schema.ts';
import { detailView } from './view.ts';

const SORT_COLUMNS = {
  flavorid: 'id',
  id: 'id',
  name: 'name',
  memory_mb: 'ram_mib',
  vcpus: 'vcpus',
  root_gb: 'disk_gib',
  created_at: 'created_at',
} as const;

/** `is_public`: administrators may ask for those that are hidden (`false`) or for all (`none`), as in Nova. */
export async function listFlavors(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
  collection: string,
): Promise<{ rows: FlavorRow[]; ending: object }> {
  const { app, caller } = context;
  const asked = caller.isAdmin ? (query['is_public'] ?? 'true').toLowerCase() : 'true';
  const [minRam, minDisk] = [Number(query['minRam'] ?? 0), Number(query['minDisk'] ?? 0)];
  const all = await app.db.selectFrom('flavors').selectAll().execute();
  const wanted = all.filter(
    (row) =>
      (asked === 'none' || (row.is_public === 1) === !/^(0|f|false|off|n|no)$/.test(asked)) &&
      row.ram_mib >= minRam &&
      row.disk_gib >= minDisk,
  );
  const sorted = { sort_key: 'flavorid', sort_dir: 'asc', ...query };
  const page = pageOf(context, sorted, wanted, SORT_COLUMNS, collection, noFlavor);
  return { rows: page.rows, ending: page.links.length > 0 ? { flavors_links: page.links } : {} };
}

export async function showFlavor(context: RequestContext, id: string): Promise<Reply> {
  return { status: 200, body: { flavor: detailView(context, await findFlavor(context, id)) } };
}

export async function createFlavor(
  context: RequestContext,
  { flavor }: z.output<typeof createBody>,
): Promise<Reply> {
  const { app } = context;
  // `auto` is what clients send when nobody has chosen one.
  const id = flavor.id == null || flavor.id === '' || flavor.id === 'auto' ? app.ids.uuid() : flavor.id;
  const row: FlavorRow = {
    id: asId<FlavorId>(id),
    name: flavor.name,
    vcpus: flavor.vcpus,
    ram_mib: flavor.ram,
    disk_gib: flavor.disk,
    is_public: (flavor['os-flavor-access:is_public'] ?? true) ? 1 : 0,
    description: flavor.description ?? null,
    extra_specs: '{}',
    created_at: sqlTime(app.clock.now()),
  };
  try {
    await app.db.insertInto('flavors').values(row).execute();
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    throw conflict(`A flavor with the name ${row.name} or the ID ${row.id} already exists.`);
  }
  return { status: 200, body: { flavor: detailView(context, row) } };
}

/** Servers keep what their flavor was. */
export async function deleteFlavor(context: RequestContext, id: string): Promise<Reply> {
  const { id: found } = await findFlavor(context, id);
  await context.app.db.deleteFrom('flavors').where('id', '=', found).execute();
  return { status: 202 };
}

export async function showExtraSpecs(context: RequestContext, id: string): Promise<Reply> {
  return { status: 200, body: { extra_specs: extraSpecsOf(await findFlavor(context, id)) } };
}

export async function addExtraSpecs(
  context: RequestContext,
  id: string,
  { extra_specs }: z.output<typeof extraSpecsBody>,
): Promise<Reply> {
  await changeExtraSpecs(context, id, (specs) => Object.assign(specs, extra_specs));
  return { status: 200, body: { extra_specs } };
}

export async function deleteExtraSpec(context: RequestContext, id: string, key: string): Promise<Reply> {
  await changeExtraSpecs(context, id, (specs) => {
    if (!Object.hasOwn(specs, key)) {
      throw new ApiError(404, `Flavor ${id} has no extra specs with key ${key.slice(0, 255)}.`);
    }
    delete specs[key];
  });
  return { status: 200 };
}

/** Under the row's lock: two changes of one flavor don't lose each other. */
async function changeExtraSpecs(
  context: RequestContext,
  id: string,
  change: (specs: Record<string, string>) => void,
): Promise<void> {
  const found = await findFlavor(context, id);
  await context.app.db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('flavors')
      .selectAll()
      .where('id', '=', found.id)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw noFlavor(id);
    const specs = extraSpecsOf(row);
    change(specs);
    await trx
      .updateTable('flavors')
      .set({ extra_specs: JSON.stringify(specs) })
      .where('id', '=', found.id)
      .execute();
  });
}
