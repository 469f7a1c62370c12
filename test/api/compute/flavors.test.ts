import assert from 'node:assert/strict';
import { startApi, type TestApi } from '../support/api.ts';

describe('flavors', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const create = (flavor: Record<string, unknown>) =>
    api.compute('POST', '/flavors', { as: 'admin', body: { flavor } });

  it('has the names that every tutorial uses', async () => {
    const { body } = await api.compute('GET', '/flavors/detail');
    assert.deepEqual(
      body.flavors.map(({ id, name, ram, disk }: Record<string, unknown>) => [id, name, ram, disk]),
      [
        ['1', 'm1.tiny', 512, 0],
        ['2', 'm1.small', 2_048, 0],
        ['3', 'm1.medium', 4_096, 0],
        ['4', 'm1.large', 8_192, 0],
        ['5', 'm1.xlarge', 16_384, 0],
      ],
    );
    const paged = await api.compute('GET', '/flavors?limit=2&marker=2');
    assert.deepEqual(
      paged.body.flavors.map(({ id }: { id: string }) => id),
      ['3', '4'],
    );
    assert.equal((await api.compute('GET', '/flavors/m1.tiny')).status, 404);
    assert.equal((await api.compute('GET', '/flavors/%C3%BC')).status, 404);
  });

  it('administrators add and remove them', async () => {
    const wanted = {
      name: 'two',
      vcpus: 2,
      ram: '1024',
      disk: 0,
      id: 'auto',
      'os-flavor-access:is_public': false,
    };
    const refused = await api.compute('POST', '/flavors', { body: { flavor: wanted } });
    assert.equal(refused.status, 403);
    const made = await create(wanted);
    assert.equal(made.status, 200);
    const { id } = made.body.flavor;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.equal((await api.compute('GET', `/flavors/${id}`)).status, 404);
    const all = await api.compute('GET', '/flavors?is_public=None', { as: 'admin' });
    assert.equal(all.body.flavors.length, 6);
    assert.equal((await create(wanted)).status, 409);

    const as = 'admin';
    const specs = `/flavors/${id}/os-extra_specs`;
    await api.compute('POST', specs, { as, body: { extra_specs: { 'hw:a': '1', b: 2 } } });
    await api.compute('DELETE', `${specs}/b`, { as });
    assert.equal((await api.compute('DELETE', `${specs}/b`, { as })).status, 404);
    assert.deepEqual((await api.compute('GET', specs, { as })).body.extra_specs, { 'hw:a': '1' });

    assert.equal((await api.compute('DELETE', `/flavors/${id}`, { as })).status, 202);
    assert.equal((await api.compute('DELETE', `/flavors/${id}`, { as })).status, 404);
  });

  it('refuses a local disk beside the volume', async () => {
    const answer = await create({ name: 'swap', vcpus: 1, ram: 64, disk: 0, swap: 512 });
    assert.equal(answer.status, 400);
    assert.match(answer.body.badRequest.message, /servers have no disk but volumes/);
  });
});
