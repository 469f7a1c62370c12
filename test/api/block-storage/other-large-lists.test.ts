import assert from 'node:assert/strict';
import { type Kysely, sql } from 'kysely';
import { createVolumeLoader } from '#api/block-storage/volumes/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import { blockStorageRoutes, computeRoutes } from '#api/routes.ts';
import { openDatabase } from '#queues/database.ts';
import { limited } from '#queues/limited.ts';
import { migrate } from '#queues/migrate.ts';
import { systemClock } from '#queues/system.ts';
import type { Tables } from '#schema/tables.ts';
import { fillAll, LARGEST, rowsRead, TOTAL } from '#test/api/support/many.ts';
import { createDatabase, type TestDatabase } from '#test/support/database.ts';

const LIMIT = 100;
/** The page in its index, in the temporary table, in the table itself and sorted, and what its rows are shown with. */
const ROWS_PER_ITEM = 13;
/** Whatever is found. */
const ROWS_BESIDES = 60;

interface List {
  readonly path: string;
  readonly table: string;
  /** What its items are: default all of the table. */
  readonly where?: string;
  /** The column of the project; null: only lists of all. */
  readonly project?: string | null;
  /** How the newest come first. */
  readonly order?: string;
  /** These find at most a hundredth of all. */
  readonly filters: readonly string[];
  /** Sort keys, with their columns; of all projects. */
  readonly sorts: Readonly<Record<string, string>>;
}

const NAME_AND_STATUS = { name: 'name', status: 'status' };
const LISTS: Readonly<Record<string, List>> = {
  snapshots: {
    path: '/snapshots/detail',
    table: 'snapshots',
    filters: ['name=of-volume-77', 'status=error'],
    sorts: NAME_AND_STATUS,
  },
  backups: {
    path: '/backups/detail',
    table: 'backups',
    filters: ['name=of-volume-77', 'status=error'],
    sorts: { ...NAME_AND_STATUS, data_timestamp: 'data_timestamp', id: 'id' },
  },
  attachments: {
    path: '/attachments',
    table: 'attachments',
    filters: ['status=error_detaching', 'attached_host=comp7'],
    sorts: { attach_status: 'status', attached_host: 'host' },
  },
  transfers: {
    path: '/volume-transfers/detail',
    table: 'volume_transfers',
    project: 'source_project_id',
    filters: ['name=of-volume-77'],
    sorts: { display_name: 'name' },
  },
  groups: {
    path: '/groups/detail',
    table: 'volume_groups',
    filters: ['name=of-volume-77', 'status=error'],
    sorts: NAME_AND_STATUS,
  },
  'group snapshots': {
    path: '/group_snapshots/detail',
    table: 'group_snapshots',
    filters: ['name=of-volume-77', 'status=error'],
    sorts: NAME_AND_STATUS,
  },
  operations: {
    path: '/operations',
    table: 'operations',
    order: 'created_at DESC, seq_base DESC, id DESC',
    filters: ['state=running'],
    sorts: {},
  },
  messages: {
    path: '/messages',
    table: 'operations',
    where: "state IN ('undone', 'stuck')",
    project: null,
    order: 'created_at DESC, seq_base DESC, id DESC',
    filters: [],
    sorts: {},
  },
  servers: {
    path: '/servers/detail',
    table: 'servers',
    filters: ['name=%5Eof-volume-77%24', 'status=ERROR', 'host=comp7'],
    sorts: { display_name: 'name', vm_state: 'status', host: 'host' },
  },
};

/** As large-lists.test.ts, of everything but volumes. */
describe('lists of much else', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let db: Kysely<Tables>;

  before(async () => {
    database = await createDatabase();
    // One connection, whose session counts what it reads.
    db = openDatabase(database.url, { connections: 1 });
    await migrate(db);
    await fillAll(db);
  });
  after(async () => {
    await db.destroy();
    await database.drop();
  });

  /** How many a query finds, and what that costs. */
  async function costOf({ path }: List, rawQuery: string): Promise<{ found: number; rows: number }> {
    const list = [...blockStorageRoutes, ...computeRoutes].find(
      (each) => each.method === 'GET' && each.path === path,
    );
    assert.ok(list !== undefined, path);
    const app = { db, volumes: createVolumeLoader(db), lists: limited(1), clock: systemClock };
    const caller = { projectId: LARGEST, userId: 'u', isAdmin: true, seesAllProjects: true };
    const context = { app, caller, microversion: 71, selfUrl: '', bookmarkUrl: '', rawQuery };
    const query = Object.fromEntries(new URLSearchParams(rawQuery));
    const before = await rowsRead(db);
    const { body } = await list.handle(context as unknown as RequestContext, {
      query,
      params: {},
      body: undefined,
    });
    const rows = (await rowsRead(db)) - before;
    const items = Object.values(body as object).find((value) => Array.isArray(value)) as unknown[];
    return { found: items.length, rows };
  }

  /** The item at this share of a list, for a marker. */
  async function at(
    { table, where = 'TRUE' }: List,
    scope: string,
    order: string,
    share: number,
  ): Promise<string> {
    const { rows: counted } = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM ${sql.raw(table)}
      WHERE ${sql.raw(where)} AND ${sql.raw(scope)}`.execute(db);
    const offset = Math.floor(((counted[0]?.n ?? 0) - LIMIT - 1) * share);
    const { rows } = await sql<{ id: string }>`SELECT id FROM ${sql.raw(table)}
      WHERE ${sql.raw(where)} AND ${sql.raw(scope)} ORDER BY ${sql.raw(order)} LIMIT 1 OFFSET ${offset}`.execute(
      db,
    );
    return rows[0]?.id ?? '';
  }

  for (const [name, list] of Object.entries(LISTS)) {
    const { project = 'project_id', order = 'created_at DESC, id DESC' } = list;
    const scopes = [
      { of: 'all projects', query: '&all_tenants=1', scope: 'TRUE' },
      ...(project === null ? [] : [{ of: 'one project', query: '', scope: `${project} = '${LARGEST}'` }]),
    ];

    for (const { of, query, scope } of scopes) {
      it(`${name} of ${of}: a page is read and no more, wherever it is`, async () => {
        for (const share of [null, 0, 0.5, 1]) {
          const marker = share === null ? '' : `&marker=${await at(list, scope, order, share)}`;
          const { found, rows } = await costOf(list, `limit=${LIMIT}${query}${marker}`);
          assert.equal(found, LIMIT);
          assert.ok(rows < LIMIT * ROWS_PER_ITEM, `after ${share} of all: ${rows} rows read`);
        }
      });
    }

    for (const filter of list.filters) {
      it(`${name}: what ${filter} finds is read, and no more`, async () => {
        const { found, rows } = await costOf(list, `all_tenants=1&${filter}`);
        assert.ok(
          found <= TOTAL / 100 && rows < found * ROWS_PER_ITEM + ROWS_BESIDES,
          `${found} found, ${rows} rows read`,
        );
      });
    }

    for (const [key, column] of Object.entries(list.sorts)) {
      it(`${name}: a page by ${key} is read and no more, wherever it is`, async () => {
        const sorted = column === 'id' ? 'id' : `${column}, created_at, id`;
        for (const share of [null, 0.5, 1]) {
          const marker = share === null ? '' : `&marker=${await at(list, 'TRUE', sorted, share)}`;
          const { found, rows } = await costOf(
            list,
            `limit=${LIMIT}&all_tenants=1&sort_key=${key}&sort_dir=asc${marker}`,
          );
          assert.equal(found, LIMIT);
          assert.ok(rows < LIMIT * ROWS_PER_ITEM, `after ${share} of all: ${rows} rows read`);
        }
      });
    }
  }

  it('the first page of one project’s backups is read as it lies', async () => {
    const { found, rows } = await costOf(LISTS['backups'] as List, `limit=${LIMIT}`);
    assert.equal(found, LIMIT);
    assert.ok(rows < LIMIT * 4, `${rows} rows read`);
  });
});
