import assert from 'node:assert/strict';
import { type Kysely, sql } from 'kysely';
import { listVolumesDetail, summariseVolumes } from '#api/block-storage/volumes/list.ts';
import { createVolumeLoader } from '#api/block-storage/volumes/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import { openDatabase } from '#queues/database.ts';
import { limited } from '#queues/limited.ts';
import { migrate } from '#queues/migrate.ts';
import type { Tables } from '#schema/tables.ts';
import { LARGEST, rowsRead } from '#test/api/support/many.ts';
import { createDatabase, type TestDatabase } from '#test/support/database.ts';
import { fill } from '../../../bench/scale/fill.ts';

const LIMIT = 100;

/** Counted in rows that MySQL reads, which depend on no machine; over one connection, whose session counts them. */
describe('lists of many volumes', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let db: Kysely<Tables>;
  let context: RequestContext;

  before(async () => {
    database = await createDatabase();
    db = openDatabase(database.url, { connections: 1 });
    await migrate(db);
    await fill(db, { volumes: 6_000, projects: 50, largest: LARGEST });
    const app = { db, volumes: createVolumeLoader(db), lists: limited(1) };
    const caller = {
      projectId: LARGEST,
      userId: 'u',
      roles: ['admin'],
      isAdmin: true,
      seesAllProjects: true,
    };
    context = {
      app,
      caller,
      microversion: 71,
      selfUrl: 'http://here/v3',
      bookmarkUrl: 'http://here',
    } as unknown as RequestContext;
  });
  after(async () => {
    await db.destroy();
    await database.drop();
  });

  async function costOf(query: Record<string, string>): Promise<{ rows: number; volumes: { id: string }[] }> {
    const before = await rowsRead(db);
    const rawQuery = new URLSearchParams(query).toString();
    const { json } = await listVolumesDetail({ ...context, rawQuery }, query);
    const { volumes } = JSON.parse(json ?? '') as { volumes: { id: string }[] };
    return { rows: (await rowsRead(db)) - before, volumes };
  }
  const markerAt = async (offset: number, all: boolean, order = 'created_at DESC, id DESC') => {
    const { rows } = await sql<{ id: string }>`SELECT id FROM volumes
      WHERE ${all ? sql`TRUE` : sql`project_id = ${LARGEST}`} ORDER BY ${sql.raw(order)} LIMIT 1 OFFSET ${offset}`.execute(
      db,
    );
    return rows[0]?.id ?? '';
  };

  const SORTS = [
    { sort: 'created_at:desc', order: 'created_at DESC, id DESC' },
    { sort: 'created_at:asc', order: 'created_at, id' },
    { sort: 'name:asc', order: 'name, created_at, id' },
  ];
  for (const { sort, order } of SORTS) {
    it(`read a page of them and no more, wherever it is, by ${sort}`, async () => {
      for (const all of sort.startsWith('created_at') ? [true, false] : [true]) {
        const total = all ? 6_000 : 1_200;
        for (const offset of [0, total / 4, total / 2, total - LIMIT - 1]) {
          const query = { sort, limit: String(LIMIT), ...(all && { all_tenants: '1' }) };
          const marker = await markerAt(offset, all, order);
          const { rows, volumes } = await costOf({ ...query, marker });
          assert.equal(volumes.length, LIMIT);
          assert.ok(rows < LIMIT * 8, `${sort} after ${offset} of ${total}: ${rows} rows read`);
        }
      }
    });
  }

  it('read what a filter finds, and no more', async () => {
    const all = { all_tenants: '1' };
    const name = await costOf({ ...all, name: 'volume-77' });
    assert.equal(name.volumes.length, 1);
    assert.ok(name.rows < 20, String(name.rows));
    const failed = await costOf({ ...all, status: 'error' });
    assert.equal(failed.volumes.length, 6);
    assert.ok(failed.rows < 100, String(failed.rows));
    const host = await costOf({ ...all, host: 'stor7@lvm' });
    assert.equal(host.volumes.length, 120);
    assert.ok(host.rows < 120 * 8, String(host.rows));
    const project = await costOf({ ...all, project_id: 'project-3' });
    assert.ok(project.rows < project.volumes.length * 8 + 20, String(project.rows));
  });

  it('are counted and summed in an index', async () => {
    for (const query of [
      'SELECT COUNT(*), SUM(v.size_gib) FROM volumes v',
      'SELECT COUNT(*) FROM volumes v',
    ]) {
      const { rows } = await sql<{
        Extra: string;
      }>`EXPLAIN ${sql.raw(query)} WHERE v.project_id = ${LARGEST}`.execute(db);
      assert.match(rows[0]?.Extra ?? '', /Using index/);
    }
    const reply = await summariseVolumes({ ...context, microversion: 35 }, {});
    const { total_count } = (reply.body as { 'volume-summary': { total_count: number } })['volume-summary'];
    assert.equal(total_count, 1_200);
  });
});
