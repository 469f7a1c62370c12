import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict } from '#api/http/errors.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { readListing } from '#api/http/listing.ts';
import { LIST_QUERY, PAGING_KEYS } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { isDuplicateKey } from '#queues/database.ts';
import type { QosSpec } from '#queues/qos/resolve.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type QosSpecId } from '#schema/ids.ts';
import { beginApply } from './apply.ts';
import { changeQos, findQos, type QosRow, toSpec } from './change.ts';
import { checkSpecs } from './check.ts';

type Query = Readonly<Record<string, string>>;
type Wanted = Readonly<Record<string, string | null | undefined>> & {
  readonly consumer?: QosSpec['consumer'] | null | undefined;
};

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  consumer: 'consumer',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const;

function view(row: QosRow) {
  return { id: row.id, name: row.name, consumer: row.consumer, specs: toSpec(row).specs };
}

function reply(context: RequestContext, row: QosRow): Reply {
  const links = [
    { rel: 'self', href: `${context.selfUrl}/qos-specs/${row.id}` },
    { rel: 'bookmark', href: `${context.bookmarkUrl}/qos-specs/${row.id}` },
  ];
  return { status: 200, body: { qos_specs: view(row), links } };
}

export async function listQos(context: RequestContext, query: Query): Promise<Reply> {
  const { rows, links } = await readListing<keyof typeof SORT_COLUMNS, QosRow>(context, query, {
    select: 'SELECT q.* FROM qos_specs q',
    table: 'qos_specs',
    alias: 'q',
    sort: SORT_COLUMNS,
    conditions: Object.entries(query).flatMap(([key, value]) => filter(key, value)),
    collection: 'qos-specs',
    marker: (id) => findQos(context, id),
  });
  return {
    status: 200,
    body: { qos_specs: rows.map(view), ...(links.length > 0 && { qos_specs_links: links }) },
  };
}

const FILTERS = ['id', 'name', 'consumer'];
/** What the list takes in a query. */
export const QOS_LIST_QUERY: readonly string[] = [...LIST_QUERY, ...FILTERS];

/** A filter that nobody knows matches nothing. */
function filter(key: string, value: string): Condition[] {
  if (PAGING_KEYS.has(key)) return [];
  if (!FILTERS.includes(key)) return [NOTHING];
  return [key === 'name' || isAscii(value) ? { sql: `q.${key} = ?`, values: [value] } : NOTHING];
}

export async function showQos(context: RequestContext, id: string): Promise<Reply> {
  return reply(context, await findQos(context, id));
}

export async function createQos(context: RequestContext, wanted: Wanted & { name: string }): Promise<Reply> {
  const { db, ids, clock } = context.app;
  const { name, consumer: asked, ...given } = wanted;
  const consumer = asked ?? 'back-end';
  const specs = told(given);
  checkSpecs({ consumer, specs });
  const row: QosRow = {
    id: asId<QosSpecId>(ids.uuid()),
    name,
    consumer,
    specs: JSON.stringify(specs),
    created_at: sqlTime(clock.now()),
    updated_at: null,
  };
  try {
    await db.insertInto('qos_specs').values(row).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? conflict(`QoS Specs ${name} already exists.`) : error;
  }
  return reply(context, row);
}

/** Without the keys that are null. */
function told(specs: Readonly<Record<string, string | null | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(specs).flatMap(([key, value]) => (value == null ? [] : [[key, value]])),
  );
}

/** Writes the changed spec, and begins to retune every guest that feels it. */
async function rewrite(context: RequestContext, id: string, edit: (spec: QosSpec) => QosSpec): Promise<void> {
  await changeQos(context, id, async ({ trx, row, types }) => {
    const before = toSpec(row);
    const after = edit(before);
    checkSpecs(after);
    await trx
      .updateTable('qos_specs')
      .set({
        consumer: after.consumer,
        specs: JSON.stringify(after.specs),
        updated_at: sqlTime(context.app.clock.now()),
      })
      .where('id', '=', row.id)
      .execute();
    return beginApply(context, trx, types, before, after);
  });
}

export async function updateQos(context: RequestContext, id: string, wanted: Wanted): Promise<Reply> {
  const { consumer, ...specs } = wanted;
  await rewrite(context, id, (spec) => ({
    consumer: consumer ?? spec.consumer,
    specs: told({ ...spec.specs, ...specs }),
  }));
  return { status: 200, body: { qos_specs: wanted } };
}

/** All of the keys, or (unlike Cinder, which stops at the first that is missing) none. */
export async function unsetKeys(
  context: RequestContext,
  id: string,
  keys: readonly string[],
): Promise<Reply> {
  await rewrite(context, id, (spec) => {
    const missing = keys.find((key) => !Object.hasOwn(spec.specs, key));
    if (missing !== undefined) {
      throw new ApiError(404, `QoS spec ${id} has no spec with key ${missing}.`);
    }
    const specs = Object.entries(spec.specs).filter(([key]) => !keys.includes(key));
    return { ...spec, specs: Object.fromEntries(specs) };
  });
  return { status: 202 };
}

/** @param force also when types have it: they lose it first, and their guests their limits. */
export async function deleteQos(context: RequestContext, id: string, force: boolean): Promise<Reply> {
  await changeQos(context, id, async ({ trx, row, types }) => {
    if (types.length > 0) {
      if (!force) throw badRequest('Qos specs still in use.');
      await trx.updateTable('volume_types').set({ qos_specs_id: null }).where('id', 'in', types).execute();
    }
    await trx.deleteFrom('qos_specs').where('id', '=', row.id).execute();
    return beginApply(context, trx, types, toSpec(row), null);
  });
  return { status: 202 };
}
