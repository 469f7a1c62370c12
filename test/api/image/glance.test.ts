import assert from 'node:assert/strict';
import { type Answer, PROJECT, startApi, type TestApi } from '../support/api.ts';
import { type Glance, startGlance } from '../support/glance.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('a Glance as the source of images', () => {
  let glance: Glance;
  let api: TestApi;
  let hosts: Hosts;
  before(async function () {
    this.timeout(180_000);
    glance = await startGlance();
    if (!glance.real) console.log('      with a double of it: no glance-api here (Debian: glance-api)');
    api = await startApi({ glance: { url: glance.url, account: null } });
    hosts = await startHosts(api);
  });
  after(async () => {
    await hosts?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
    await glance?.[Symbol.asyncDispose]();
  });

  async function ask(method: string, path: string, body?: unknown): Promise<Answer['body']> {
    const response = await fetch(`${glance.url}/v2/images${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    return response.ok && text !== '' ? JSON.parse(text) : { status: response.status };
  }

  async function image(fields: Record<string, unknown>): Promise<string> {
    const { id } = await ask('POST', '', {
      name: 'disk',
      disk_format: 'raw',
      container_format: 'bare',
      ...fields,
    });
    await fetch(`${glance.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: Buffer.from('data'),
    });
    return id;
  }

  const create = (id: string): Promise<Answer> =>
    api.call('POST', '/volumes', { body: { volume: { size: 1, imageRef: id } } });

  it('a volume is made from its images, by those who may see them', async () => {
    const own = await image({ owner: PROJECT, visibility: 'private', os_distro: 'debian' });
    const { status, body } = await create(own);
    assert.equal(status, 202, JSON.stringify(body));
    await volumeBecomes(api, body.volume.id, 'available');
    assert.equal(hosts.model.filled.get(body.volume.id), `image ${own}`);
    const { volume } = (await api.call('GET', `/volumes/${body.volume.id}`)).body;
    assert.deepEqual(
      [volume.bootable, volume.volume_image_metadata.os_distro, volume.volume_image_metadata.size],
      ['true', 'debian', '4'],
    );

    assert.equal((await create(await image({ owner: 'other', visibility: 'private' }))).status, 400);
    assert.equal((await create(await image({ owner: 'other', visibility: 'public' }))).status, 202);
    const shared = await image({ owner: 'other', visibility: 'shared' });
    assert.equal((await create(shared)).status, 400);
    await ask('POST', `/${shared}/members`, { member: PROJECT });
    assert.equal((await create(shared)).status, 400);
    await ask('PUT', `/${shared}/members/${PROJECT}`, { status: 'accepted' });
    assert.equal((await create(shared)).status, 202);
    // By its name too, where one alone has it; not by that of one that is not to be seen.
    for (let i = 0; i < 3; i++) await image({ name: 'golden', owner: 'other', visibility: 'private' });
    await image({ name: 'golden', owner: PROJECT, visibility: 'private' });
    for (let i = 0; i < 3; i++) await image({ name: 'golden', owner: 'other', visibility: 'private' });
    await image({ name: 'hidden', owner: 'other', visibility: 'private' });
    assert.equal((await create('golden')).status, 202);
    assert.equal((await create('hidden')).status, 400);
    assert.equal((await create('disk')).status, 409);
    assert.equal((await create('11111111-1111-4111-8111-111111111111')).status, 400);
  });

  it('a volume becomes one of its images; what fails leaves none there', async () => {
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    const volume: string = body.volume.id;
    await volumeBecomes(api, volume, 'available');
    const upload = async (): Promise<string> => {
      const answer = await api.call('POST', `/volumes/${volume}/action`, {
        body: { 'os-volume_upload_image': { image_name: 'made', disk_format: 'qcow2', protected: true } },
      });
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      return answer.body['os-volume_upload_image'].image_id;
    };
    const made = await upload();
    await volumeBecomes(api, volume, 'available');
    assert.ok(hosts.model.uploads.has(made));
    const shown = await ask('GET', `/${made}`);
    assert.deepEqual([shown.name, shown.owner, shown.disk_format], ['made', PROJECT, 'qcow2']);

    hosts.model.volumes.delete(volume);
    const failed = await upload();
    await volumeBecomes(api, volume, 'available');
    await eventually(async () => assert.equal((await ask('GET', `/${failed}`)).status, 404));
  });

  it('our own image API says where images are', async () => {
    const answer = await api.image('GET', '/images');
    assert.equal(answer.status, 404);
    assert.ok(answer.body.itemNotFound.message.includes(glance.url));
  });

  it('that does not answer is said so', async () => {
    await using alone = await startApi({ glance: { url: 'http://127.0.0.1:1', account: null } });
    const response = await heldFetch(`${alone.url}/v3/${PROJECT}/volumes`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Auth-Token': 'token-of-member' },
      body: JSON.stringify({ volume: { size: 1, imageRef: '11111111-1111-4111-8111-111111111111' } }),
    });
    assert.equal(response.status, 502);
    assert.match(await response.text(), /The image service does not answer/);
  });
});
