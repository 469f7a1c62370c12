import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { asId, type VolumeId } from '#schema/ids.ts';
import { OTHER_PROJECT, PROJECT, startApi, type TestApi } from '../support/api.ts';

interface Listed {
  readonly id: string;
  readonly name: string | null;
  readonly size: number;
  readonly status: string;
}

describe('listing volumes', () => {
  let api: TestApi;
  const all: Listed[] = [];
  before(async () => {
    api = await startApi();
    const names = ['a', 'b', 'b', null, 'c', null, 'A', 'é', 'b', 'a', 'z', 'y'];
    for (const [index, name] of names.entries()) {
      const size = 1 + (index % 3);
      const { body } = await api.call('POST', '/volumes', {
        body: { volume: { size, name, metadata: index < 4 ? { colour: 'blue', 'a b': 'x' } : {} } },
      });
      const status = index % 2 === 0 ? ('available' as const) : ('error' as const);
      // Some are of the same moment: only the id tells those apart.
      const created_at = `2026-01-01 00:00:0${index % 5}.000000`;
      await api.db
        .updateTable('volumes')
        .set({ status, created_at })
        .where('id', '=', body.volume.id)
        .execute();
      all.push({ id: body.volume.id, name, size, status });
      if (index % 4 === 3) await attach(api, body.volume.id);
    }
    await api.call('POST', '/volumes', { as: 'stranger', body: { volume: { size: 9, name: 'a' } } });
  });
  after(() => api[Symbol.asyncDispose]());

  const ids = (volumes: readonly Listed[]) => volumes.map((volume) => volume.id);

  it('pages hold every volume exactly once, in the order asked for, whatever the sort and the page', async () => {
    const key = fc.constantFrom('name', 'size', 'status', 'created_at', 'id', 'bootable', 'attach_status');
    const sort = fc.array(fc.tuple(key, fc.constantFrom('', ':asc', ':desc')), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(sort, fc.integer({ min: 1, max: 13 }), async (keys, limit) => {
        const order = keys.map((pair) => pair.join('')).join(',');
        const whole = await api.call('GET', `/volumes/detail?sort=${order}`);
        assert.deepEqual(ids(whole.body.volumes).toSorted(), ids(all).toSorted());
        const paged: Listed[] = [];
        let next: string | undefined = `/volumes/detail?sort=${order}&limit=${limit}`;
        while (next !== undefined) {
          const { body } = await api.call('GET', next);
          paged.push(...body.volumes);
          const link: string | undefined = body.volumes_links?.[0].href;
          next = link?.slice(link.indexOf('/volumes'));
        }
        assert.deepEqual(ids(paged), ids(whole.body.volumes));
      }),
      { numRuns: 60 },
    );
  });

  it('sorts by whether they are attached, as a real Cinder does', async () => {
    const list = async (query: string) =>
      (await api.call('GET', `/volumes/detail?${query}`)).body.volumes.map(
        ({ attachments }: { attachments: unknown[] }) => attachments.length,
      );
    assert.deepEqual(await list('sort=attach_status:asc&limit=4'), [1, 1, 1, 0]);
    assert.deepEqual(await list('sort=attach_status&offset=8'), [0, 1, 1, 1]);
  });

  it('filters', async () => {
    const list = async (query: string, as: 'member' | 'admin' = 'member') =>
      ids((await api.call('GET', `/volumes/detail?${query}`, { as })).body.volumes).toSorted();
    const where = (test: (volume: Listed) => boolean) => ids(all.filter(test)).toSorted();
    assert.deepEqual(
      await list('name=b'),
      where(({ name }) => name === 'b'),
    );
    assert.deepEqual(
      await list('status=error'),
      where(({ status }) => status === 'error'),
    );
    assert.deepEqual(
      await list('name=b&size=2'),
      where(({ name, size }) => name === 'b' && size === 2),
    );
    assert.deepEqual(
      await list("metadata={'colour': 'blue', \"a b\": u'x'}"),
      ids(all.slice(0, 4)).toSorted(),
    );
    assert.deepEqual(await list('metadata=nonsense'), []);
    assert.deepEqual(
      await list('name~=é'),
      where(({ name }) => name === 'é'),
    );
    assert.deepEqual(await list('bootable=true'), []);
    assert.deepEqual(await list('bootable=0&availability_zone=nova'), ids(all).toSorted());
    assert.deepEqual(
      await list('created_at=gte:2026-01-01T00:00:03'),
      ids(all.filter((_, index) => index % 5 >= 3)).toSorted(),
    );
    assert.deepEqual(
      await list('created_at=gt:2026-01-01T00:00:03,lt:2026-01-01T00:00:01'),
      ids(all.filter((_, index) => index % 5 === 4 || index % 5 === 0)).toSorted(),
      'as in Cinder, either will do',
    );
    assert.equal((await list('all_tenants=1', 'admin')).length, all.length + 1);
    assert.equal((await list(`all_tenants=1&project_id=${OTHER_PROJECT}`, 'admin')).length, 1);
    assert.equal((await list('all_tenants=1')).length, all.length, 'members see their own');
  });

  it('refuses what it does not know', async () => {
    for (const query of [
      'limit=-1',
      'limit=x',
      'offset=-1',
      'sort=colour',
      'sort=name:up',
      'sort=name&sort_key=name',
    ]) {
      assert.equal((await api.call('GET', `/volumes?${query}`)).status, 400, query);
    }
    assert.equal((await api.call('GET', '/volumes?colour=blue')).status, 400);
    assert.equal((await api.call('GET', '/volumes?colour=blue', { version: 30 })).status, 200);
    const { status } = await api.call('GET', '/volumes?marker=11111111-1111-4111-8111-111111111111');
    assert.equal(status, 404);
    assert.deepEqual((await api.call('GET', '/volumes?limit=0')).body, { volumes: [] });
  });

  it('counts and sums up', async () => {
    const { body } = await api.call('GET', '/volumes?with_count=true&limit=5&status=available');
    assert.equal(body.count, 6);
    const summary = (await api.call('GET', '/volumes/summary')).body['volume-summary'];
    assert.equal(summary.total_count, all.length);
    assert.equal(
      summary.total_size,
      all.reduce((sum, { size }) => sum + size, 0),
    );
    assert.deepEqual(summary.metadata, { colour: ['blue'], 'a b': ['x'] });
    const limits = (await api.call('GET', '/limits')).body.limits.absolute;
    assert.equal(limits.totalVolumesUsed, all.length);
  });

  it("a volume's metadata", async () => {
    const { id } = all[0] ?? assert.fail();
    const path = `/volumes/${id}/metadata`;
    const tagged = await api.call('GET', path);
    const etag = tagged.headers.get('etag') ?? '';
    assert.notEqual(etag, '');
    const put = (metadata: object, tag: string) =>
      api.call('PUT', path, { body: { metadata }, headers: { 'If-Match': tag } });
    assert.equal((await put({ a: '1' }, '"other"')).status, 412);
    assert.deepEqual((await put({ a: '1', toString: 'x' }, etag)).body, {
      metadata: { a: '1', toString: 'x' },
    });
    const added = await api.call('POST', path, { body: { metadata: { b: '2' } } });
    assert.deepEqual(added.body.metadata, { a: '1', toString: 'x', b: '2' });
    assert.deepEqual((await api.call('GET', `${path}/toString`)).body, { meta: { toString: 'x' } });
    assert.equal((await api.call('GET', `${path}/constructor`)).status, 404);
    const replaced = await api.call('PUT', `${path}/a`, { body: { meta: { a: '3' } } });
    assert.deepEqual(replaced.body, { meta: { a: '3' } });
    assert.equal((await api.call('PUT', `${path}/a`, { body: { meta: { b: '3' } } })).status, 400);
    assert.equal((await api.call('DELETE', `${path}/a`)).status, 200);
    const row = await api.db
      .selectFrom('volumes')
      .select('metadata')
      .where('id', '=', asId<VolumeId>(id))
      .executeTakeFirst();
    assert.deepEqual(JSON.parse(row?.metadata ?? ''), { toString: 'x', b: '2' });
    assert.equal((await api.call('POST', path, { body: { metadata: { k: 'v'.repeat(256) } } })).status, 400);
    assert.equal((await api.call('POST', path, { body: { metadata: { k$: 'v' } } })).status, 400);
  });
});

/** No agent runs: what would be there after an attach. */
async function attach(api: TestApi, volume: string): Promise<void> {
  await api.db
    .insertInto('attachments')
    .values({
      id: asId(randomUUID()),
      volume_id: asId(volume),
      project_id: asId(PROJECT),
      server_id: null,
      status: 'attached',
      host: 'comp1',
      managed: 0,
      mountpoint: null,
      mode: 'rw',
      created_at: '2026-01-01 00:00:00.000000',
      updated_at: null,
    })
    .execute();
}
