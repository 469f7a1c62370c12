/** Nova's "Servers (servers)": the libvirt domains that our agents report. Read only. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams, links, noParams } from '#api/http/fields.ts';
import { pageOf } from '#api/http/paged.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { findServer, noServer, readServers, type ServerRow } from './rows.ts';

const SORT_COLUMNS = {
  uuid: 'id',
  display_name: 'name',
  name: 'name',
  created_at: 'created_at',
  updated_at: 'updated_at',
  host: 'host',
  vm_state: 'status',
} as const;

const FILTERS = ['name', 'status', 'host', 'all_tenants'] as const;

const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const summary = z.strictObject({ id: z.string(), name: z.string(), links });
const detail = z.strictObject({
  ...summary.shape,
  status: z.string(),
  tenant_id: z.string().nullable(),
  created: instant,
  updated: instant,
  hostId: z.string(),
  flavor: z.union([
    z.strictObject({ id: z.string(), links }),
    z.strictObject({
      original_name: z.string(),
      vcpus: z.int(),
      ram: z.int(),
      disk: z.int(),
      ephemeral: z.int(),
      swap: z.int(),
      extra_specs: z.strictObject({}),
    }),
  ]),
  addresses: z.strictObject({}),
  metadata: z.strictObject({}),
  image: z.literal(''),
  'OS-EXT-STS:vm_state': z.string(),
  'OS-EXT-STS:task_state': z.null(),
  'OS-EXT-STS:power_state': z.int(),
  'OS-EXT-AZ:availability_zone': z.string(),
  'OS-EXT-SRV-ATTR:host': z.string().optional(),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': z.string().optional(),
  'os-extended-volumes:volumes_attached': z.array(
    z.strictObject({ id: z.string(), delete_on_termination: z.literal(false).optional() }),
  ),
});

/** Nova's words: its status, its vm_state and libvirt's power state. */
const STATES: Readonly<Record<string, readonly [vmState: string, powerState: number]>> = {
  ACTIVE: ['active', 1],
  PAUSED: ['paused', 3],
  SUSPENDED: ['suspended', 4],
  SHUTOFF: ['stopped', 4],
  ERROR: ['error', 0],
};

/** `delete_on_termination` stands in the server's own view from here on. */
const DELETE_FLAG_SINCE = 3;
/** The flavor is described inside the server's view from here on. */
const FLAVOR_INSIDE_SINCE = 47;

function summaryView(context: RequestContext, row: ServerRow) {
  return {
    id: row.id,
    name: row.name,
    links: [
      { rel: 'self', href: `${context.selfUrl}/servers/${row.id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/servers/${row.id}` },
    ],
  };
}

function detailView(context: RequestContext, row: ServerRow, volumes: readonly string[]) {
  const [vmState, powerState] = STATES[row.status] ?? ['building', 0];
  const { isAdmin } = context.caller;
  return {
    ...summaryView(context, row),
    status: row.status,
    tenant_id: row.project_id,
    created: seconds(row.created_at),
    updated: seconds(row.updated_at),
    hostId: row.host,
    flavor: flavorView(context, row),
    addresses: {},
    metadata: {},
    image: '' as const,
    'OS-EXT-STS:vm_state': vmState,
    'OS-EXT-STS:task_state': null,
    'OS-EXT-STS:power_state': powerState,
    'OS-EXT-AZ:availability_zone': context.app.defaultAvailabilityZone,
    ...(isAdmin && { 'OS-EXT-SRV-ATTR:host': row.host, 'OS-EXT-SRV-ATTR:hypervisor_hostname': row.host }),
    'os-extended-volumes:volumes_attached': volumes.map((id) => ({
      id,
      ...(context.microversion >= DELETE_FLAG_SINCE && { delete_on_termination: false as const }),
    })),
  };
}

/** A domain has no flavor: it is described by what it has, or before 2.47 named after it. */
function flavorView({ microversion }: RequestContext, row: ServerRow) {
  const name = `${row.vcpus}-vcpu-${row.memory_mib}-mib`;
  if (microversion < FLAVOR_INSIDE_SINCE) return { id: name, links: [] };
  const { vcpus, memory_mib: ram } = row;
  return { original_name: name, vcpus, ram, disk: 0, ephemeral: 0, swap: 0, extra_specs: {} };
}

/** `2026-01-31T12:00:00Z` of a DATETIME's text. */
function seconds(text: string): string {
  return `${text.slice(0, 19).replace(' ', 'T')}Z`;
}

async function attachedVolumes(
  { app }: RequestContext,
  rows: readonly ServerRow[],
): Promise<ReadonlyMap<string | null, { volume_id: string }[]>> {
  if (rows.length === 0) return new Map();
  const ids = rows.map((row) => row.id);
  const found = await app.db
    .selectFrom('attachments')
    .select(['server_id', 'volume_id'])
    .where('server_id', 'in', ids)
    .orderBy('created_at')
    .execute();
  return Map.groupBy(found, (item) => item.server_id);
}

async function list(
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

async function showServer(context: RequestContext, id: string): Promise<Reply> {
  const row = await findServer(context, id);
  const volumes = await attachedVolumes(context, [row]);
  const ids = (volumes.get(row.id) ?? []).map((item) => item.volume_id);
  return { status: 200, body: { server: detailView(context, row, ids) } };
}

const ending = { servers_links: links.optional() };

export const serverRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers',
    summary: 'List servers',
    params: noParams,
    query: anyQuery,
    queryNames: [...LIST_QUERY, ...FILTERS],
    replies: { 200: z.strictObject({ servers: z.array(summary), ...ending }) },
    handle: async (context, { query }) => {
      const { rows, ending } = await list(context, query, 'servers');
      return { status: 200, body: { servers: rows.map((row) => summaryView(context, row)), ...ending } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/detail',
    summary: 'List servers with details',
    params: noParams,
    query: anyQuery,
    queryNames: [...LIST_QUERY, ...FILTERS],
    replies: { 200: z.strictObject({ servers: z.array(detail), ...ending }) },
    handle: async (context, { query }) => {
      const { rows, ending } = await list(context, query, 'servers/detail');
      const volumes = await attachedVolumes(context, rows);
      const servers = rows.map((row) =>
        detailView(
          context,
          row,
          (volumes.get(row.id) ?? []).map((item) => item.volume_id),
        ),
      );
      return { status: 200, body: { servers, ...ending } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/{id}',
    summary: 'Show a server',
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ server: detail }) },
    handle: (context, { params }) => showServer(context, params.id),
  }),
];
