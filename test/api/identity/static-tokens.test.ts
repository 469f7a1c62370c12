import assert from 'node:assert/strict';
import { OTHER_PROJECT, PROJECT, startApi, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

describe('logging in', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const post = (body: unknown): Promise<Response> =>
    heldFetch(`${api.url}/identity/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  const logIn = (id: unknown, scope?: unknown): Promise<Response> =>
    post({
      auth: { identity: { methods: ['token'], token: { id } }, ...(scope !== undefined && { scope }) },
    });
  const get = (path: string): Promise<Response> =>
    heldFetch(`${api.url}/identity/v3${path}`, { headers: { 'X-Auth-Token': TOKENS.admin } });

  it('says what a token is good for, and where everything is', async () => {
    const answer = await logIn(TOKENS.stranger, { project: { id: OTHER_PROJECT } });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get('x-subject-token'), TOKENS.stranger);
    const { token } = (await answer.json()) as {
      token: {
        user: { id: string };
        project: { id: string };
        roles: { name: string }[];
        catalog: { type: string; endpoints: { url: string }[] }[];
      };
    };
    assert.deepEqual(
      [token.user.id, token.project.id, token.roles.map(({ name }) => name)],
      ['eve', OTHER_PROJECT, ['member']],
    );
    assert.deepEqual(
      Object.fromEntries(token.catalog.map(({ type, endpoints }) => [type, endpoints[0]?.url])),
      {
        identity: `${api.url}/identity/v3`,
        volumev3: `${api.url}/v3/${OTHER_PROJECT}`,
        'block-storage': `${api.url}/v3/${OTHER_PROJECT}`,
        compute: `${api.url}/compute/v2.1`,
        image: `${api.url}/image`,
      },
    );
  });

  it('refuses what proves nobody, and other ways to prove it', async () => {
    assert.equal((await logIn('none-of-them')).status, 401);
    assert.equal((await logIn(TOKENS.admin, { project: { id: OTHER_PROJECT } })).status, 401);
    for (const body of [
      {},
      { auth: { identity: { methods: ['password'], password: {} } } },
      { auth: { identity: { methods: ['token'], token: {} } } },
    ]) {
      assert.equal((await post(body)).status, 400, JSON.stringify(body));
    }
    for (const odd of [5, null, {}]) assert.equal((await logIn(odd)).status, 400);
    for (const text of ['\r\nX: y', 'é', '']) assert.equal((await logIn(text)).status, 400);
    assert.equal((await heldFetch(`${api.url}/identity/v3/projects/${PROJECT}`)).status, 401);
    assert.deepEqual(api.log, []);
  });

  it('knows one’s own project and no other', async () => {
    assert.equal((await get(`/projects/${PROJECT}`)).status, 200);
    for (const path of [`/projects/${OTHER_PROJECT}`, '/projects', `/projects?name=${PROJECT}`]) {
      assert.equal((await get(path)).status, 403, path);
    }
    const { version } = (await (await heldFetch(`${api.url}/identity/v3`)).json()) as {
      version: { id: string };
    };
    assert.match(version.id, /^v3\./);
  });
});
