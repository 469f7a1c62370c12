import type { Caller, RequestContext } from '#api/http/context.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import type { QueryNames } from '#api/http/list-filters.ts';
import { readListing } from '#api/http/listing.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { findServer, type ServerRow } from './rows.ts';
import { detailView, type ServerVolume } from './view.ts';

const SORT_COLUMNS = {
  uuid: 'id',
  display_name: 'name',
  name: 'name',
  created_at: 'created_at',
  updated_at: 'updated_at',
  host: 'host',
  vm_state: 'status',
} as const satisfies Record<string, keyof ServerRow>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];

/** What the lists take in a query. */
export const SERVER_LIST_QUERY: QueryNames = {
  queryNames: [...LIST_QUERY, 'name', 'status'],
  adminQueryNames: ['all_tenants', 'all_projects', 'host'],
};

export async function listServers(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
  collection: string,
): Promise<{ rows: ServerRow[]; ending: object }> {
  const asked = query['all_tenants'] ?? query['all_projects'];
  const everywhere = context.caller.isAdmin && asked !== undefined && !/^(0|f|false|off|n|no)$/i.test(asked);
  const { rows, links } = await readListing<Column, ServerRow>(context, query, {
    select: 'SELECT s.* FROM servers s',
    table: 'servers',
    alias: 's',
    sort: SORT_COLUMNS,
    conditions: [EXISTING, ...filters(context.caller, query)],
    ...(!everywhere && { anyOf: inScope(context.caller) }),
    collection,
    marker: (id) => findServer(context, id),
  });
  return { rows, ending: links.length > 0 ? { servers_links: links } : {} };
}

const EXISTING: Condition = { sql: "s.status <> 'DELETED'", values: [] };

/** The project's; an administrator's list has those of no project besides, and all on demand. */
function inScope({ isAdmin, projectId }: Caller): Condition[] {
  const own = { sql: 's.project_id = ?', values: [projectId] };
  return isAdmin ? [own, { sql: 's.project_id IS NULL', values: [] }] : [own];
}

function filters({ isAdmin }: Caller, { name, status, host }: Readonly<Record<string, string>>): Condition[] {
  return [
    ...(name === undefined ? [] : [nameMatches(name)]),
    ...(status === undefined ? [] : [isAscii(status) ? equals('s.status', status.toUpperCase()) : NOTHING]),
    ...(host === undefined || !isAdmin ? [] : [equals('s.host', host)]),
  ];
}

const equals = (column: string, value: string): Condition => ({ sql: `${column} = ?`, values: [value] });

/** Nova takes a regular expression; clients send a plain part of the name, or `^the whole name$`, escaped or not. */
function nameMatches(pattern: string): Condition {
  const start = pattern.startsWith('^');
  const end = pattern.endsWith('$') && !pattern.endsWith('\\$');
  const plain = pattern.slice(start ? 1 : 0, end ? -1 : undefined).replaceAll(/\\(.)/g, '$1');
  if (start && end) return equals('s.name', plain);
  if (start) return { sql: 'LEFT(s.name, CHAR_LENGTH(?)) = ?', values: [plain, plain] };
  if (end) return { sql: 'RIGHT(s.name, CHAR_LENGTH(?)) = ?', values: [plain, plain] };
  return { sql: 'LOCATE(?, s.name) > 0', values: [plain] };
}

export async function detailViews(context: RequestContext, rows: readonly ServerRow[]) {
  const [volumes, zones] = await Promise.all([attachedVolumes(context, rows), zonesOfHosts(context)]);
  return rows.map((row) => detailView(context, row, volumes.get(row.id) ?? [], zones.get(row.host) ?? ''));
}

export async function showServer(context: RequestContext, id: string): Promise<Reply> {
  const [server] = await detailViews(context, [await findServer(context, id)]);
  return { status: 200, body: { server } };
}

async function attachedVolumes(
  { app }: RequestContext,
  rows: readonly ServerRow[],
): Promise<ReadonlyMap<string | null, ServerVolume[]>> {
  if (rows.length === 0) return new Map();
  const ids = rows.map((row) => row.id);
  const found = await app.db
    .selectFrom('attachments')
    .select(['server_id', 'volume_id', 'delete_on_termination'])
    .where('server_id', 'in', ids)
    .orderBy('created_at')
    .execute();
  return Map.groupBy(found, (item) => item.server_id);
}

async function zonesOfHosts({ app }: RequestContext): Promise<ReadonlyMap<string | null, string>> {
  const services = await app.db
    .selectFrom('services')
    .select(['host', 'availability_zone'])
    .where('binary', '=', 'blockyard-compute')
    .execute();
  return new Map(services.map((service) => [service.host, service.availability_zone]));
}
