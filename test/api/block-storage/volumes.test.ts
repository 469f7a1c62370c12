import assert from 'node:assert/strict';
import { type Answer, startApi, type TestApi } from '../support/api.ts';

describe('volumes', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const create = (volume: Record<string, unknown>): Promise<Answer> =>
    api.call('POST', '/volumes', { body: { volume } });

  it('answers 202 once the volume and its operation are committed', async () => {
    const { status, body } = await create({ size: 1, name: ' one ', metadata: { colour: 'blue' } });
    assert.equal(status, 202);
    assert.equal(body.volume.status, 'creating');
    assert.equal(body.volume.name, 'one');
    assert.deepEqual(body.volume.metadata, { colour: 'blue' });
    const operation = await api.db
      .selectFrom('operations')
      .selectAll()
      .where('volume_id', '=', body.volume.id)
      .executeTakeFirstOrThrow();
    assert.equal(operation.kind, 'volume.create');
    const shown = await api.call('GET', `/volumes/${body.volume.id}`);
    assert.equal(shown.status, 200);
    assert.equal(shown.body.volume.id, body.volume.id);
  });

  it("another project's volume does not exist", async () => {
    const { body } = await create({ size: 1 });
    for (const method of ['GET', 'DELETE'] as const) {
      const answer = await api.call(method, `/volumes/${body.volume.id}`, { as: 'stranger' });
      assert.equal(answer.status, 404);
      assert.equal(answer.body.itemNotFound.message, `Volume ${body.volume.id} could not be found.`);
    }
  });

  it('deletes from a legal status only, and once', async () => {
    const { body } = await create({ size: 1 });
    const path = `/volumes/${body.volume.id}`;
    assert.equal((await api.call('DELETE', path)).status, 400);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available' })
      .where('id', '=', body.volume.id)
      .execute();
    assert.equal((await api.call('DELETE', path)).status, 202);
    const again = await api.call('DELETE', path);
    assert.match(again.body.badRequest.message, /^Invalid volume: Volume status must be available or /);
  });

  it('lists', async () => {
    const { body } = await api.call('GET', '/volumes/detail?limit=2&with_count=true');
    assert.equal(body.volumes.length, 2);
    assert.equal(body.count, 3);
    assert.equal(body.volumes_links[0].rel, 'next');
  });
});
