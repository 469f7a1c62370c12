import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { PROJECT, startApi, type TestApi, TOKENS } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

describe('protocol', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const raw = (
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ) =>
    heldFetch(`${api.url}${path}`, {
      ...init,
      headers: { 'X-Auth-Token': TOKENS.member, ...init.headers },
    });
  const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
    raw(`/v3/${PROJECT}/volumes`, { method: 'POST', body, headers: { 'Content-Type': type } });

  it('version documents need no token', async () => {
    const root = await heldFetch(`${api.url}/`);
    assert.equal(root.status, 300);
    const [version] = ((await root.json()) as { versions: Record<string, unknown>[] }).versions;
    assert.equal(version?.['id'], 'v3.0');
    assert.equal(version?.['version'], '3.71');
    assert.equal(version?.['min_version'], '3.0');
    assert.equal((await heldFetch(`${api.url}/v3/`)).status, 200);
    assert.equal((await heldFetch(`${api.url}/compute/v2.1/`)).status, 200);
  });

  it('negotiates the microversion', async () => {
    const ask = (version: string | undefined) =>
      raw(
        `/v3/${PROJECT}/volumes`,
        version === undefined ? {} : { headers: { 'OpenStack-API-Version': version } },
      );
    const none = await ask(undefined);
    assert.equal(none.headers.get('openstack-api-version'), 'volume 3.0');
    assert.equal(none.headers.get('vary'), 'OpenStack-API-Version');
    for (const [wanted, got] of [
      ['volume 3.27', 'volume 3.27'],
      ['volume latest', 'volume 3.71'],
      ['compute 2.79, volume 3.5', 'volume 3.5'],
    ] as const) {
      assert.equal((await ask(wanted)).headers.get('openstack-api-version'), got);
    }
    const outside = await ask('volume 3.72');
    assert.equal(outside.status, 406);
    assert.equal(outside.headers.get('openstack-api-version'), 'volume 3.72');
    assert.match(
      await outside.text(),
      /^\{"computeFault":\{"code":406,"message":"Version 3\.72 is not supported by the API\. Minimum is 3\.0 and maximum is 3\.71\."/,
    );
    assert.equal((await ask('volume 2.0')).status, 406);
    for (const wrong of ['volume 3.x', 'volume 3', 'volume LATEST', 'compute 2.79', '3.5', '']) {
      assert.equal((await ask(wrong)).status, 400, wrong);
    }
  });

  it('negotiates for version documents as well', async () => {
    const ask = (version: string) =>
      heldFetch(`${api.url}/`, { headers: { 'OpenStack-API-Version': version } });
    assert.equal((await heldFetch(`${api.url}/`)).headers.get('openstack-api-version'), 'volume 3.0');
    assert.equal((await ask('volume 3.5')).headers.get('openstack-api-version'), 'volume 3.5');
    assert.equal((await ask('volume 3.99')).status, 406);
    assert.equal((await heldFetch(`${api.url}/compute/`)).headers.get('openstack-api-version'), null);
  });

  it('takes a path without the project at any version, and with none but the right one', async () => {
    const ask = (path: string, minor: number) =>
      raw(path, { headers: { 'OpenStack-API-Version': `volume 3.${minor}` } });
    assert.equal((await ask('/v3/volumes', 0)).status, 200);
    assert.equal((await ask('/v3/volumes', 67)).status, 200);
    assert.equal((await ask('/v3/elsewhere/volumes', 67)).status, 404);
    const other = await ask(`/v3/${'c'.repeat(32)}/volumes`, 67);
    assert.equal(other.status, 400);
    assert.match(await other.text(), /Malformed request url/);
    assert.equal((await ask('/v3/%zz/volumes', 67)).status, 404);
    const undecodable = await ask('/v3/volumes/%ff', 67);
    assert.equal(undecodable.status, 400);
    assert.match(await undecodable.text(), /Error decoding your request/);
  });

  it('fields appear from their microversion on', async () => {
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    const fields = async (version: number, as: 'admin' | 'member' = 'member') => {
      const answer = await api.call('GET', `/volumes/${body.volume.id}`, { version, as });
      return Object.keys(answer.body.volume as object);
    };
    const oldest = await fields(0);
    for (const [name, since] of [
      ['group_id', 13],
      ['shared_targets', 48],
      ['service_uuid', 48],
      ['volume_type_id', 63],
      ['consumes_quota', 65],
    ] as const) {
      assert.ok(!oldest.includes(name));
      assert.ok(!(await fields(since - 1)).includes(name), `${name} before 3.${since}`);
      assert.ok((await fields(since)).includes(name), `${name} at 3.${since}`);
    }
    assert.ok(!(await fields(71)).includes('os-vol-host-attr:host'));
    assert.ok((await fields(71, 'admin')).includes('os-vol-host-attr:host'));
  });

  it('refuses bodies that are too big, of another type, or not clean JSON', async () => {
    assert.equal((await post('x'.repeat(114_689))).status, 413);
    assert.equal((await post('{}', 'text/plain')).status, 415);
    for (const body of [
      '{',
      '',
      '[]',
      'null',
      '{"volume": {"size": 1, "name": "\\ud800"}}',
      '{"volume": {"size": 1, "metadata": {"__proto__": "x"}}}',
      `{"volume": {"size": 1, "x": ${'['.repeat(40_000)}${']'.repeat(40_000)}}}`,
    ]) {
      assert.equal((await post(body)).status, 400, body.slice(0, 50));
    }
    assert.equal((await post(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).status, 400);
  });

  it('tells an unknown path from a wrong method', async () => {
    assert.equal((await raw(`/v3/${PROJECT}/nothing`)).status, 404);
    assert.equal((await raw('/nothing')).status, 404);
    // Cinder knows no path by a method that it does not have; Nova says so.
    assert.equal((await raw(`/v3/${PROJECT}/volumes`, { method: 'PATCH' })).status, 404);
    const wrong = await raw('/compute/v2.1/servers', { method: 'PATCH' });
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get('allow'), 'GET, POST');
  });

  it('takes .json at the end of a path for nothing', async () => {
    for (const path of ['volumes', 'volumes/detail', 'types/default']) {
      assert.equal((await raw(`/v3/${PROJECT}/${path}.json`)).status, 200, path);
    }
  });

  it('says what it can of an action without a body', async () => {
    const answer = await raw(`/v3/${PROJECT}/volumes/${randomUUID()}/action`, { method: 'POST' });
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /There is no such action: None\./);
    for (const [body, status] of [
      ['null', 404],
      ['"os-extend"', 404],
      ['[{"os-extend":{}}]', 404],
      ['[]', 400],
      ['{}', 400],
    ] as const) {
      const headers = { 'Content-Type': 'application/json' };
      const path = `/v3/${PROJECT}/volumes/${randomUUID()}/action`;
      assert.equal((await raw(path, { method: 'POST', headers, body })).status, status, body);
    }
  });

  it('tells load balancers that it is there, in the form that they ask for', async () => {
    const ask = (accept: string) => heldFetch(`${api.url}/healthcheck`, { headers: { Accept: accept } });
    assert.deepEqual(await (await ask('application/json')).json(), { detailed: false, reasons: ['OK'] });
    const plain = await ask('*/*');
    assert.equal(plain.headers.get('content-type'), 'text/plain; charset=UTF-8');
    assert.equal(await plain.text(), 'OK');
  });

  it('asks for a token, and keeps readers and members to what is theirs', async () => {
    for (const token of ['', 'wrong']) {
      const answer = await raw(`/v3/${PROJECT}/volumes`, { headers: { 'X-Auth-Token': token } });
      assert.equal(answer.status, 401);
      assert.ok(answer.headers.get('www-authenticate'));
      assert.match(await answer.text(), /^\{"error":\{"code":401,"title":"Unauthorized",/);
    }
    const body = { volume: { size: 1 } };
    assert.equal((await api.call('GET', '/volumes', { as: 'reader' })).status, 200);
    assert.equal((await api.call('POST', '/volumes', { as: 'reader', body })).status, 403);
    assert.equal((await api.call('GET', '/os-services')).status, 403);
    assert.equal((await api.call('GET', `/operations/${randomUUID()}`)).status, 404);
  });

  it('answers HEAD without a body', async () => {
    const answer = await raw(`/v3/${PROJECT}/volumes`, { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), '');
  });
});
