import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { sqlTime } from '#schema/clock.ts';
import { OTHER_PROJECT, PROJECT, startApi, type TestApi, type Who } from '../support/api.ts';

describe('lists of servers', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
    const rows = Array.from({ length: 30 }, (_, index) => ({
      id: randomUUID(),
      host: index % 2 === 0 ? 'comp1' : 'comp2',
      project_id: index < 20 ? PROJECT : index < 25 ? OTHER_PROJECT : null,
      user_id: 'max',
      name: `${index % 3 === 0 ? 'web' : 'db'}-${String(index).padStart(2, '0')}`,
      status: index === 19 ? 'DELETED' : index % 4 === 0 ? 'SHUTOFF' : 'ACTIVE',
      vcpus: 1,
      memory_mib: 1,
      root_volume_id: null,
      flavor: null,
      task_state: null,
      fault: null,
      metadata: null,
      created_at: sqlTime(1_800_000_000_000 + (index % 5) * 1_000),
      updated_at: sqlTime(1_800_000_000_000),
    }));
    await api.db
      .insertInto('servers')
      .values(rows as never)
      .execute();
  });
  after(() => api[Symbol.asyncDispose]());

  const list = async (query: string, as: Who = 'member'): Promise<{ id: string; name: string }[]> => {
    const { status, body } = await api.compute('GET', `/servers/detail?${query}`, { as });
    assert.equal(status, 200, JSON.stringify(body));
    return body.servers;
  };

  it('hold the project’s, an administrator’s also those of nobody, and all on demand', async () => {
    assert.equal((await list('')).length, 19);
    assert.equal((await list('', 'admin')).length, 24);
    assert.equal((await list('all_tenants=1', 'admin')).length, 29);
    assert.equal((await list('all_tenants=1')).length, 19);
    assert.equal((await list('', 'stranger')).length, 5);
  });

  it('are filtered by part of a name, status and host', async () => {
    const names = async (query: string, as?: Who) =>
      (await list(query, as)).map(({ name }) => name).toSorted();
    assert.deepEqual(await names('name=^web-03$'), ['web-03']);
    assert.deepEqual(await names('name=^web-0'), ['web-00', 'web-03', 'web-06', 'web-09']);
    assert.deepEqual(await names('name=0$'), ['db-10', 'web-00']);
    assert.equal((await names('name=eb-')).length, 7);
    assert.equal((await names('name=%25')).length, 0);
    assert.equal((await names('status=shutoff')).length, 5);
    assert.equal((await names('status=é')).length, 0);
    assert.equal((await names('host=comp1', 'admin')).length, 12);
  });

  it('come page by page, each once, in the order asked for', async () => {
    for (const sort of [
      'sort_key=display_name&sort_dir=asc',
      'sort_key=host',
      'sort_key=created_at&sort_dir=desc',
    ]) {
      const whole = (await list(sort)).map(({ id }) => id);
      const paged: string[] = [];
      for (let marker = ''; ; ) {
        const page = await list(`${sort}&limit=7${marker}`);
        paged.push(...page.map(({ id }) => id));
        if (page.length < 7) break;
        marker = `&marker=${paged.at(-1)}`;
      }
      assert.deepEqual(paged, whole);
      assert.equal(new Set(paged).size, 19);
    }
    assert.equal((await api.compute('GET', `/servers?marker=${randomUUID()}`)).status, 404);
  });
});
