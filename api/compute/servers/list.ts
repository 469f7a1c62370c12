import type { RequestContext } from '#api/http/context.ts';
import { pageOf } from '#api/http/paged.ts';
import type { Reply } from '#api/http/route.ts';
import { findServer, noServer, readServers, type ServerRow } from './rows.ts';
import { detailView, type ServerVolume } from './view.ts';

const SORT_COLUMNS = {
  uuid: 'id',
  display_name: 'name',
  name: 'name',
  created_at: 'created_at',
  updated_at: 'updated_at',
  host: 'host',
  vm_state: 'status',
} as const;

export const FILTERS = ['name', 'status', 'host', 'all_tenants'] as const;

export async function listServers(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
  collection: string,
): Promise<{ rows: ServerRow[]; ending: object }> {
  const asked = query['all_tenants'] ?? query['all_projects'];
  const everywhere = context.caller.isAdmin && asked !== undefined && !/^(0|f|false|off|n|no)$/i.test(asked);
  const all = await readServers(context, everywhere);
  const wanted = all.filter(
    (row) =>
      (query['name'] === undefined || nameMatches(row.name, query['name'])) &&
      (query['status'] === undefined || row.status === query['status'].toUpperCase()) &&
      (query['host'] === undefined || !context.caller.isAdmin || row.host === query['host']),
  );
  const page = pageOf(context, query, wanted, SORT_COLUMNS, collection, noServer);
  return { rows: page.rows, ending: page.links.length > 0 ? { servers_links: page.links } : {} };
}

/** Nova takes a regular expression; clients send a plain part of the name, or `^the whole name$`, escaped or not. */
function nameMatches(name: string, pattern: string): boolean {
  const start = pattern.startsWith('^');
  const end = pattern.endsWith('$') && !pattern.endsWith('\\$');
  const plain = pattern.slice(start ? 1 : 0, end ? -1 : undefined).replaceAll(/\\(.)/g, '$1');
  if (start && end) return name === plain;
  if (start) return name.startsWith(plain);
  return end ? name.endsWith(plain) : name.includes(plain);
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
