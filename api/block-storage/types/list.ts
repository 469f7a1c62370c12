import type { RequestContext } from '#api/http/context.ts';
import { readDictionary } from '#api/http/dictionary.ts';
import { badRequest } from '#api/http/errors.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { filtersBeside, invalidFilters, type QueryNames } from '#api/http/list-filters.ts';
import { readListing } from '#api/http/listing.ts';
import { LIST_QUERY, sameForAll } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { readType, type TypeRow, typeView, VISIBLE_TO_ALL } from './rows.ts';

type Query = Readonly<Record<string, string>>;

/** Types are of no project: for an administrator `all_tenants` is a filter that matches none. */
const ASKED: ReadonlySet<string> = new Set([...LIST_QUERY, 'is_public']);
const ASKED_BY_OTHERS: ReadonlySet<string> = new Set([...ASKED, 'all_tenants']);
/** Administrators' filters; the second kind holds ASCII. */
const TEXTS = ['name', 'description'];
const IDS = ['id', 'qos_specs_id'];

/** What the list takes in a query. */
export const TYPE_LIST_QUERY: QueryNames = {
  queryNames: [...LIST_QUERY, 'extra_specs'],
  adminQueryNames: ['is_public', ...TEXTS, ...IDS],
};

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  description: 'description',
  is_public: 'is_public',
  qos_specs_id: 'qos_specs_id',
  ...sameForAll('deleted'),
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof TypeRow>;

/** From here on others than administrators may filter by extra specs, and unknown filters are an error for them. */
const FILTERS_SINCE = 52;

export async function listTypes(context: RequestContext, query: Query): Promise<Reply> {
  const { rows, links } = await readListing<(typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS], TypeRow>(
    context,
    query,
    {
      select: 'SELECT t.* FROM volume_types t',
      table: 'volume_types',
      alias: 't',
      sort: SORT_COLUMNS,
      conditions: conditions(context, query),
      collection: 'types',
      marker: (id) => readType(context.app.db, id),
    },
  );
  const types = rows.map((row) => typeView(context, row));
  return {
    status: 200,
    body: { volume_types: types, ...(links.length > 0 && { volume_type_links: links }) },
  };
}

function conditions({ caller, microversion, rawQuery }: RequestContext, query: Query): Condition[] {
  const found: Condition[] = [];
  const unknown: string[] = [];
  for (const [key, value] of filtersBeside(caller.isAdmin ? ASKED : ASKED_BY_OTHERS, rawQuery)) {
    if (key === 'extra_specs' && (caller.isAdmin || microversion >= FILTERS_SINCE)) {
      found.push(bySpecs(value, caller.isAdmin));
    } else if (caller.isAdmin) found.push(byColumn(key, value));
    else if (microversion >= FILTERS_SINCE) unknown.push(key);
  }
  if (unknown.length > 0) throw invalidFilters(unknown);
  const wanted = caller.isAdmin ? readIsPublic(query['is_public']) : true;
  if (wanted === false) found.push({ sql: 't.is_public = 0', values: [] });
  if (wanted === true) {
    found.push({
      sql: '(t.is_public = 1 OR EXISTS (SELECT 1 FROM volume_type_projects a WHERE a.volume_type_id = t.id AND a.project_id = ?))',
      values: [caller.projectId],
    });
  }
  return found;
}

function byColumn(key: string, value: string): Condition {
  const fits = TEXTS.includes(key) || (IDS.includes(key) && isAscii(value));
  return fits ? { sql: `t.${key} = ?`, values: [value] } : NOTHING;
}

function bySpecs(text: string, seesAll: boolean): Condition {
  const pairs = readDictionary(text);
  if (pairs === undefined || (!seesAll && pairs.some(([key]) => !VISIBLE_TO_ALL.has(key)))) return NOTHING;
  return {
    sql:
      pairs
        // A list of zones is one text, of which one zone is looked for.
        .map(([key]) =>
          key === 'RESKEY:availability_zones'
            ? 'LOCATE(?, JSON_VALUE(t.extra_specs, ?)) > 0'
            : '? = JSON_VALUE(t.extra_specs, ?)',
        )
        .join(' AND ') || 'TRUE',
    values: pairs.flatMap(([key, value]) => [value, `$."${key}"`]),
  };
}

/** Undefined means both; Cinder's administrators say `None` for it. @throws ApiError 400 */
export function readIsPublic(text: string | undefined): boolean | undefined {
  const word = (text ?? 'true').toLowerCase();
  if (word === 'none') return undefined;
  if (/^(1|t|true|on|y|yes)$/.test(word)) return true;
  if (/^(0|f|false|off|n|no)$/.test(word)) return false;
  throw badRequest(`Invalid is_public filter [${word.slice(0, 100).toWellFormed()}]`);
}
