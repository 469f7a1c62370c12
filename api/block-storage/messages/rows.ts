import { CompiledQuery, type Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { after, type Condition, joined, NOTHING, onPageOfAny } from '#api/http/keyset.ts';
import {
  containsAscii,
  equals,
  equalsAscii,
  type FilterTable,
  listQuery,
  readListFilters,
} from '#api/http/list-filters.ts';
import { type Page, readPage, readSort, type SortKey, sameForAll } from '#api/http/pagination.ts';
import { sqlTime } from '#schema/clock.ts';
import { isUuid } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { OperationsTable } from '#schema/tables.ts';
import { type Waiting, waitingFor } from '../operations/waiting.ts';
import { UNPLACED_SQL, withEventId, withResource } from './events.ts';

export type MessageRow = Pick<
  Selectable<OperationsTable>,
  | 'id'
  | 'kind'
  | 'state'
  | 'project_id'
  | 'request_id'
  | 'volume_id'
  | 'backup_id'
  | 'input'
  | 'error'
  | 'created_at'
  | 'seq_base'
>;

export interface Messages {
  readonly rows: readonly MessageRow[];
  /** Of those that wait. */
  readonly waits: ReadonlyMap<string, Waiting>;
}

const COLUMNS = [
  'id',
  'kind',
  'state',
  'project_id',
  'request_id',
  'volume_id',
  'backup_id',
  'input',
  'error',
  'created_at',
  'seq_base',
] as const satisfies readonly (keyof MessageRow)[];

const SELECT = `SELECT ${COLUMNS.map((column) => `o.${column}`).join(', ')} FROM operations o`;

/** Of the operations under way, so many are looked at. */
const MOST_WAITING = 1_000;
/** Filters and pages exist from here on. */
const PAGES_SINCE = 5;
/** From here on a filter that is not known is an error. */
const STRICT_SINCE = 31;

const SORT_COLUMNS = {
  id: 'id',
  event_id: 'kind',
  resource_uuid: 'volume_id',
  request_id: 'request_id',
  project_id: 'project_id',
  created_at: 'created_at',
  updated_at: 'created_at',
  expires_at: 'created_at',
  action_id: 'kind',
  detail_id: 'kind',
  resource_type: 'kind',
  // Where all are of one level, as they nearly always are, the next key decides.
  message_level: 'created_at',
  ...sameForAll('deleted_at', 'deleted'),
} as const satisfies Record<string, keyof MessageRow>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];

/** What a message is about, when it is not the operation's volume. */
const RESOURCE = `CASE WHEN o.kind LIKE 'snapshot.%' THEN JSON_VALUE(o.input, '$.snapshotId')
  WHEN o.kind = 'backup.restore' THEN JSON_VALUE(o.input, '$.backupId')
  ELSE COALESCE(o.backup_id, o.volume_id) END`;

const FILTERS: FilterTable = {
  anybody: {
    resource_uuid: equals(RESOURCE),
    resource_type: (value) => isOneOf('o.kind', withResource(value)),
    event_id(value) {
      const { kinds, unplaced } = withEventId(value);
      const { sql, values } = isOneOf('o.kind', kinds);
      if (unplaced === undefined || kinds.length === 0) return { sql, values };
      const some = `${sql} AND ${unplaced ? '' : 'NOT '}(o.kind = 'volume.create' AND ${UNPLACED_SQL.sql})`;
      return { sql: `(${some})`, values: [...values, ...UNPLACED_SQL.values] };
    },
    request_id: equals('o.request_id'),
    message_level: (value) => (value === 'ERROR' ? FAILED : value === 'INFO' ? WAITS : NOTHING),
  },
  admin: { id: equalsAscii('o.id'), project_id: equals('o.project_id') },
  like: { 'request_id~': containsAscii('o.request_id') },
};

/** What the list takes in a query. */
export const MESSAGE_LIST_QUERY = listQuery(FILTERS);

const FAILED: Condition = { sql: "o.state IN ('undone', 'stuck')", values: [] };
const FAILED_IN = ['undone', 'stuck'].map(
  (state): Condition => ({
    sql: `o.state = '${state}' AND o.error IS NOT NULL AND o.dismissed < 2`,
    values: [],
  }),
);
const WAITS: Condition = { sql: "o.state NOT IN ('undone', 'stuck')", values: [] };

function isOneOf(column: string, values: readonly string[]): Condition {
  if (values.length === 0) return NOTHING;
  return { sql: `${column} IN (${values.map(() => '?').join(', ')})`, values };
}

/** One page of messages, and who waits of them. @throws ApiError 400 or, for the marker, 404 */
export async function listMessages(
  context: RequestContext,
  all: Readonly<Record<string, string>>,
): Promise<Messages & { readonly page: Page }> {
  const query = context.microversion >= PAGES_SINCE ? all : {};
  const page = readPage(query);
  const sort = readSort<Column>(query, SORT_COLUMNS).flatMap(thenInSequence);
  const { ids, waits } = await waiting(context);
  const conditions = [
    ...mine(context),
    ...filters(context, query),
    ...(page.marker === undefined ? [] : [after('o', await findMessage(context, page.marker), sort)]),
  ];
  const { sql, values } = onPageOfAny('operations', 'o', kindsOf(ids), conditions, sort, page);
  const { rows } = await context.app.db.executeQuery<MessageRow>(
    CompiledQuery.raw(`${SELECT} ${sql}`, [...values]),
  );
  return { rows, waits, page };
}

/** As operations' lists are in order, and the index of them. */
function thenInSequence<C extends string>(key: SortKey<C>): SortKey<C | 'seq_base'>[] {
  return key.column === 'created_at' ? [key, { ...key, column: 'seq_base' }] : [key];
}

/** Before Cinder told known filters from others, one of another name matched nothing here, whoever asked. */
function filters(context: RequestContext, query: Readonly<Record<string, string>>): Condition[] {
  const caller = context.microversion < STRICT_SINCE ? { ...context.caller, isAdmin: true } : context.caller;
  return readListFilters({ ...context, caller }, query, FILTERS);
}

/** Somebody's own; an administrator sees everybody's. */
function mine({ caller }: RequestContext): Condition[] {
  return caller.seesAllProjects ? [] : [{ sql: 'o.project_id = ?', values: [caller.projectId] }];
}

/** What has failed, state by state, and what waits. */
function kindsOf(waitingIds: readonly string[]): Condition[] {
  return [...FAILED_IN, ...(waitingIds.length > 0 ? [isOneOf('o.id', waitingIds)] : [])];
}

function isMessage(waitingIds: readonly string[]): Condition {
  const kinds = kindsOf(waitingIds);
  return {
    sql: `(${kinds.map(({ sql }) => sql).join(' OR ')})`,
    values: kinds.flatMap(({ values }) => values),
  };
}

/** Those that are under way and wait, for a host or for a step that fails again and again. */
async function waiting(context: RequestContext) {
  const { app, caller } = context;
  const open = await app.db
    .selectFrom('operations')
    .select(['id', 'kind', 'state'])
    .where('state', 'in', OPEN_OPERATION_STATES)
    // A quick one doesn't wait.
    .where('created_at', '<', sqlTime(app.clock.now() - 1_000))
    .where('dismissed', '=', 0)
    .$if(!caller.seesAllProjects, (select) => select.where('project_id', '=', caller.projectId))
    .limit(MOST_WAITING)
    .execute();
  const waits = await waitingFor(app, open);
  return { ids: open.flatMap(({ id }) => (waits.has(id) ? [id as string] : [])), waits };
}

/** @throws ApiError 404 when there is none, or it is another project's, or it has been deleted. */
export async function findMessage(
  context: RequestContext,
  id: string,
): Promise<MessageRow & { readonly waits: Waiting | undefined }> {
  const { ids, waits } = await waiting(context);
  const { where, values } = joined([
    { sql: 'o.id = ?', values: [id.toLowerCase()] },
    ...mine(context),
    isMessage(ids),
  ]);
  const { rows } = isUuid(id)
    ? await context.app.db.executeQuery<MessageRow>(CompiledQuery.raw(`${SELECT} ${where}`, values))
    : { rows: [] };
  const [row] = rows;
  if (row === undefined) throw new ApiError(404, `Message ${id.slice(0, 255)} could not be found.`);
  return { ...row, waits: waits.get(row.id) };
}

/** Deletes a message; what it is about goes on, and so does its history. A failure after a wait is another message. */
export async function dismissMessage(context: RequestContext, id: string): Promise<void> {
  const row = await findMessage(context, id);
  await context.app.db
    .updateTable('operations')
    .set({ dismissed: row.waits === undefined ? 2 : 1 })
    .where('id', '=', row.id)
    .execute();
}
