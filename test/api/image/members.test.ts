import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Method } from '#api/http/route.ts';
import {
  type Answer,
  OTHER_PROJECT,
  PROJECT,
  startApi,
  type TestApi,
  TOKENS,
  type Who,
} from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

const PATCH = { 'Content-Type': 'application/openstack-images-v2.1-json-patch' };

describe('image members', () => {
  let api: TestApi;
  let id: string;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());
  beforeEach(async () => {
    await api.db.deleteFrom('images').execute();
    id = await create({ visibility: 'shared' });
  });

  async function create(fields: object): Promise<string> {
    const body = { disk_format: 'raw', container_format: 'bare', ...fields };
    return (await api.image('POST', '/images', { body })).body.id;
  }
  const ask = (method: Method, path: string, as: Who = 'member', body?: unknown): Promise<Answer> =>
    api.image(method, `/images/${id}${path}`, { as, ...(body !== undefined && { body }) });
  const share = (member = OTHER_PROJECT, as: Who = 'member') => ask('POST', '/members', as, { member });
  const say = (status: string, as: Who = 'stranger') =>
    ask('PUT', `/members/${OTHER_PROJECT}`, as, { status });
  const listed = async (query = '', as: Who = 'stranger'): Promise<string[]> =>
    (await api.image('GET', `/images${query}`, { as })).body.images.map((image: { id: string }) => image.id);
  const data = (as: Who, sent?: Uint8Array) =>
    heldFetch(`${api.url}/image/v2/images/${id}/file`, {
      headers: { 'X-Auth-Token': TOKENS[as], 'Content-Type': 'application/octet-stream' },
      ...(sent !== undefined && { method: 'PUT', body: Buffer.from(sent) }),
    });
  const upload = (as: Who = 'member') => data(as, randomBytes(100));

  it('a shared image is its project’s until it is offered; then the other may look, accept, use and leave it', async () => {
    assert.equal((await upload()).status, 204);
    assert.equal((await ask('GET', '', 'stranger')).status, 404);
    assert.equal((await data('stranger')).status, 404);

    const offered = await share();
    assert.equal(offered.status, 200);
    assert.deepEqual(
      { ...offered.body, created_at: '', updated_at: '' },
      {
        image_id: id,
        member_id: OTHER_PROJECT,
        status: 'pending',
        created_at: '',
        updated_at: '',
        schema: '/v2/schemas/member',
      },
    );
    assert.equal((await ask('GET', '', 'stranger')).status, 200);
    assert.deepEqual(await listed(), []);
    assert.deepEqual(await listed('?member_status=pending'), [id]);
    assert.deepEqual(await listed('?visibility=shared&member_status=all'), [id]);

    assert.equal((await say('accepted')).body.status, 'accepted');
    assert.deepEqual(await listed(), [id]);
    assert.deepEqual(await listed('?visibility=shared'), [id]);
    assert.deepEqual(await listed('?member_status=pending'), []);
    assert.equal((await data('stranger')).status, 200);

    assert.equal((await say('rejected')).body.status, 'rejected');
    assert.deepEqual(await listed(), []);
    assert.deepEqual(await listed('?member_status=rejected'), [id]);
    assert.deepEqual(await listed('', 'member'), [id], 'its own project sees it whatever others say');

    assert.equal((await ask('DELETE', `/members/${OTHER_PROJECT}`)).status, 204);
    assert.equal((await ask('GET', '', 'stranger')).status, 404);
    assert.equal((await ask('DELETE', `/members/${OTHER_PROJECT}`)).status, 404);
  });

  it('the owner says who, the member says whether; administrators both', async () => {
    assert.equal((await share(PROJECT, 'stranger')).status, 404, 'it does not even see the image');
    await share();
    assert.equal((await share('third', 'stranger')).status, 403);
    assert.equal((await ask('DELETE', `/members/${OTHER_PROJECT}`, 'stranger')).status, 403);
    assert.equal((await say('accepted', 'member')).status, 403);
    assert.equal((await share('third', 'reader')).status, 403, 'a reader changes nothing');
    assert.equal((await say('accepted', 'admin')).status, 200);
    assert.equal((await share('third', 'admin')).status, 200);
    for (const [path, method, body] of [
      ['', 'PATCH', []],
      ['', 'DELETE', undefined],
      ['/tags/x', 'PUT', undefined],
    ] as const) {
      const options = { as: 'stranger', headers: PATCH, ...(body !== undefined && { body }) } as const;
      assert.equal((await api.image(method, `/images/${id}${path}`, options)).status, 403, method);
    }
    assert.equal((await upload('stranger')).status, 403);
  });

  it('a member knows of itself and of no other', async () => {
    await share();
    await share('third');
    const members = async (as: Who): Promise<string[]> =>
      (await ask('GET', '/members', as)).body.members.map((each: { member_id: string }) => each.member_id);
    assert.deepEqual(await members('member'), [OTHER_PROJECT, 'third']);
    assert.deepEqual(await members('stranger'), [OTHER_PROJECT]);
    assert.equal((await ask('GET', '/members/third', 'stranger')).status, 404);
    assert.equal((await ask('GET', '/members/third')).status, 200);
    assert.equal((await ask('GET', `/members/${OTHER_PROJECT}`, 'stranger')).status, 200);
    assert.equal((await ask('PUT', '/members/third', 'stranger', { status: 'accepted' })).status, 404);
  });

  it('only shared images have members; they are members again when it is shared again', async () => {
    await share();
    await say('accepted');
    const visibility = (value: string) =>
      api.image('PATCH', `/images/${id}`, {
        headers: PATCH,
        body: [{ op: 'replace', path: '/visibility', value }],
      });
    await visibility('private');
    assert.equal((await ask('GET', '', 'stranger')).status, 404);
    assert.deepEqual(await listed(), []);
    assert.equal((await ask('GET', '/members')).status, 403);
    assert.equal((await share('third')).status, 403);
    assert.equal((await ask('GET', `/members/${OTHER_PROJECT}`)).status, 404, 'as in Glance');
    await visibility('shared');
    assert.deepEqual(await listed(), [id]);
    assert.equal((await api.image('DELETE', `/images/${id}`)).status, 204);
    assert.deepEqual(await api.db.selectFrom('image_members').selectAll().execute(), []);
  });

  it('refuses what is not a member, twice the same, and too many', async () => {
    await share();
    assert.equal((await share()).status, 409);
    for (const member of ['', 'a b', 'x'.repeat(300), 5, null]) {
      assert.equal((await ask('POST', '/members', 'member', { member })).status, 400, String(member));
    }
    assert.equal((await ask('POST', '/members', 'member', {})).status, 400);
    for (const status of ['killed', '', null]) {
      assert.equal((await ask('PUT', `/members/${OTHER_PROJECT}`, 'stranger', { status })).status, 400);
    }
    assert.equal((await api.image('GET', '/images?member_status=odd')).status, 400);
    const rest = await Promise.all(Array.from({ length: 130 }, (_, index) => share(`project-${index}`)));
    assert.equal(rest.filter(({ status }) => status === 200).length, 127);
    assert.equal(rest.filter(({ status }) => status === 413).length, 3);
    assert.equal((await api.image('GET', '/schemas/member')).body.name, 'member');
    assert.equal((await api.image('GET', '/schemas/members')).body.name, 'members');
  });

  it('a volume is made from an image that is shared with the project', async () => {
    await upload();
    const volume = { size: 1, imageRef: id };
    const make = () => api.call('POST', '/volumes', { as: 'stranger', body: { volume } });
    const refused = await make();
    assert.ok(refused.status >= 400 && refused.status < 500, String(refused.status));
    await share();
    await say('accepted');
    assert.equal((await make()).status, 202);
  });
});
