import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { ImageFiles } from '#api/image/data/files.ts';
import { tidyImages } from '#api/image/data/janitor.ts';
import { newToken } from '#api/image/data/token.ts';
import { imageTicket, TICKET_HEADER } from '#images/ticket.ts';
import { agentKeys } from '#queues/secrets.ts';
import { asId, type ImageId } from '#schema/ids.ts';
import {
  type Answer,
  MAX_IMAGE_BYTES,
  PROJECT,
  SECRET_KEY,
  startApi,
  type TestApi,
  TOKENS,
  type Who,
} from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { eventually } from '../support/hosts.ts';

const BYTES = 'application/octet-stream';
const PATCH = { 'Content-Type': 'application/openstack-images-v2.1-json-patch' };
const RAW = { disk_format: 'raw', container_format: 'bare' };

interface Sent {
  readonly as?: Who;
  readonly ticket?: string;
  readonly method?: 'GET' | 'HEAD' | 'PUT';
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

describe('images', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  async function create(image: Record<string, unknown> = RAW, as: Who = 'member'): Promise<string> {
    const { status, body } = await api.image('POST', '/images', { as, body: image });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(body.status, 'queued');
    return body.id;
  }

  function file(id: string, init: Sent = {}): Promise<Response> {
    const proof =
      init.ticket === undefined
        ? { 'X-Auth-Token': TOKENS[init.as ?? 'member'] }
        : { [TICKET_HEADER]: init.ticket };
    const { method = 'GET', body = null } = init;
    return heldFetch(`${api.url}/image/v2/images/${id}/file`, {
      method,
      body,
      headers: { ...proof, ...(body !== null && { 'Content-Type': BYTES }), ...init.headers },
    });
  }
  const put = (id: string, body: Uint8Array, init: Sent = {}) =>
    file(id, { ...init, method: 'PUT', body: Buffer.from(body) });
  const show = async (id: string): Promise<Answer['body']> => (await api.image('GET', `/images/${id}`)).body;
  const patch = (id: string, body: unknown, as: Who = 'member') =>
    api.image('PATCH', `/images/${id}`, { as, body, headers: PATCH });

  async function active(
    data: Uint8Array = randomBytes(4_096),
    image = {},
    as: Who = 'member',
  ): Promise<string> {
    const id = await create({ ...RAW, ...image }, as);
    assert.equal((await put(id, data, { as })).status, 204);
    return id;
  }

  it('keeps what is uploaded, with its hashes, and gives it back whole or in part', async () => {
    const data = randomBytes(9 * 1024 ** 2 + 17);
    const id = await active(data, { name: 'disk', colour: 'blue', tags: ['a', 'a'] });
    const image = await show(id);
    assert.equal(image.status, 'active');
    assert.equal(image.size, data.length);
    assert.equal(image.checksum, createHash('md5').update(data).digest('hex'));
    assert.equal(image.os_hash_algo, 'sha512');
    assert.equal(image.os_hash_value, createHash('sha512').update(data).digest('hex'));
    assert.deepEqual([image.colour, image.tags], ['blue', ['a']]);

    const whole = await file(id);
    assert.equal(whole.headers.get('content-md5'), image.checksum);
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), data);
    const part = await file(id, { headers: { Range: 'bytes=10-19' } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), `bytes 10-19/${data.length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), data.subarray(10, 20));
    const tail = await file(id, { headers: { Range: 'bytes=-5' } });
    assert.deepEqual(Buffer.from(await tail.arrayBuffer()), data.subarray(-5));
    assert.equal((await file(id, { headers: { Range: `bytes=${data.length}-` } })).status, 416);
    const head = await file(id, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(data.length));

    assert.equal((await put(id, data)).status, 409);
    assert.equal((await api.image('DELETE', `/images/${id}`)).status, 204);
    assert.equal((await file(id)).status, 404);
    assert.deepEqual(await filesNow(), []);
  });

  it('has no data before they come, and says what it needs to know', async () => {
    const id = await create({ name: 'empty' });
    assert.equal((await file(id)).status, 204);
    assert.equal((await put(id, randomBytes(10))).status, 409);
    const text = await put(id, randomBytes(10), { headers: { 'Content-Type': 'text/plain' } });
    assert.equal(text.status, 415);
    assert.equal((await show(id)).status, 'queued');
  });

  it('refuses data that are not what they are declared to be, or too many, and keeps nothing of them', async () => {
    const qcow2 = Buffer.alloc(1_024);
    qcow2.write('QFI\xfb', 'latin1');
    const id = await create();
    for (const [data, why] of [
      [qcow2, /qcow/],
      [Buffer.alloc(0), /empty/],
    ] as const) {
      const answer = await put(id, data);
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), why);
      assert.equal((await show(id)).status, 'queued');
    }
    const announced = await put(id, Buffer.alloc(MAX_IMAGE_BYTES + 1));
    assert.equal(announced.status, 413);
    await endless(id);
    await eventually(async () => assert.equal((await show(id)).status, 'queued'));
    assert.deepEqual(await filesNow(), []);
    assert.equal((await put(id, Buffer.from('plain'))).status, 204);
    await api.image('DELETE', `/images/${id}`);
  });

  it('waits for data again when the client goes away, or the api died, in the midst of them', async () => {
    const id = await create();
    const gone = half(id);
    await eventually(async () => assert.equal((await show(id)).status, 'saving'));
    assert.equal((await put(id, randomBytes(10))).status, 409);
    gone.destroy();
    await eventually(async () => assert.equal((await show(id)).status, 'queued'));

    const files = imageFiles();
    const token = randomUUID();
    await (await files.create(id, token)).close();
    const saving = { status: 'saving', upload: `test/${token}` } as const;
    await api.db.updateTable('images').set(saving).where('id', '=', asId<ImageId>(id)).execute();
    await tidyImages(api.app, files, false);
    assert.equal((await show(id)).status, 'saving');
    // Of an upload that another one took over from, and of one that was never written down: nothing names them.
    const nameless = newToken('test', { uuid: randomUUID });
    const anothers = newToken('another', { uuid: randomUUID });
    for (const each of [nameless, anothers]) await (await files.create(id, each)).close();
    await tidyImages(api.app, files, true);
    assert.deepEqual(
      (await filesNow()).map(({ token }) => token),
      [anothers],
    );
    await files.discard(id, anothers);
    assert.equal((await show(id)).status, 'queued');
    const later = { ...api.app, clock: { now: () => Date.now() + 3_600_000 } };
    await tidyImages(later, files, false);
    assert.deepEqual(await filesNow(), []);
  });

  it('forgets an image that is deleted while its data come in', async () => {
    const id = await create();
    const upload = half(id);
    await eventually(async () => assert.equal((await show(id)).status, 'saving'));
    assert.equal((await api.image('DELETE', `/images/${id}`)).status, 204);
    upload.end(Buffer.alloc(500_000));
    const [response] = await once(upload, 'response');
    assert.equal(response.statusCode, 404);
    response.resume();
    await eventually(async () => assert.deepEqual(await filesNow(), []));
  });

  /** Goes on sending, without saying how much, until it is stopped. */
  async function endless(id: string): Promise<void> {
    const upload = httpRequest(`${api.url}/image/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': BYTES },
    });
    const stopped = new Promise((resolve) => upload.on('close', resolve));
    upload.on('error', () => undefined);
    const chunk = Buffer.alloc(256 * 1024);
    const more = (): void => {
      while (!upload.destroyed && upload.write(chunk));
    };
    upload.on('drain', more);
    more();
    await stopped;
  }

  /** An upload that stops halfway. */
  function half(id: string) {
    const upload = httpRequest(`${api.url}/image/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': BYTES, 'Content-Length': 1_000_000 },
    });
    upload.on('error', () => undefined);
    upload.write(Buffer.alloc(500_000));
    return upload;
  }

  const imageFiles = (): ImageFiles => api.app.images.files ?? assert.fail();
  const filesNow = () => imageFiles().list();

  it('is seen by its project, or by everybody it is meant for', async () => {
    const ids: Record<string, string> = {};
    for (const visibility of ['private', 'shared', 'community'])
      ids[visibility] = await create({ visibility });
    const refused = await api.image('POST', '/images', { body: { visibility: 'public' } });
    assert.equal(refused.status, 403);
    ids['public'] = await create({ visibility: 'public' }, 'admin');
    const seen = async (as: Who, query = '') => {
      const { body } = await api.image('GET', `/images?limit=100${query}`, { as });
      const known = new Map(Object.entries(ids).map(([name, id]) => [id, name]));
      return body.images.flatMap(({ id }: { id: string }) => known.get(id) ?? []).toSorted();
    };
    assert.deepEqual(await seen('member'), ['community', 'private', 'public', 'shared']);
    assert.deepEqual(await seen('stranger'), ['public']);
    assert.deepEqual(await seen('stranger', '&visibility=community'), ['community']);
    for (const [name, status] of [
      ['private', 404],
      ['shared', 404],
      ['community', 200],
      ['public', 200],
    ] as const) {
      assert.equal((await api.image('GET', `/images/${ids[name]}`, { as: 'stranger' })).status, status);
    }
    const path = `/images/${ids['community']}`;
    assert.equal((await api.image('DELETE', path, { as: 'stranger' })).status, 403);
    assert.equal((await patch(ids['community'] ?? '', [], 'stranger')).status, 403);
    assert.equal((await put(ids['community'] ?? '', randomBytes(9), { as: 'stranger' })).status, 403);
    for (const id of Object.values(ids)) await api.image('DELETE', `/images/${id}`, { as: 'admin' });
  });

  it('is changed by patches, and stays what its data are', async () => {
    const id = await active();
    const { status, body } = await patch(id, [
      { op: 'replace', path: '/name', value: 'new' },
      { op: 'add', path: '/os~1distro', value: 'debian' },
      { op: 'replace', path: '/tags', value: ['x'] },
    ]);
    assert.equal(status, 200);
    assert.deepEqual([body.name, body['os/distro'], body.tags], ['new', 'debian', ['x']]);
    for (const [change, wanted] of [
      [{ op: 'replace', path: '/status', value: 'queued' }, 403],
      [{ op: 'replace', path: '/id', value: 'x' }, 403],
      [{ op: 'replace', path: '/disk_format', value: 'qcow2' }, 403],
      [{ op: 'replace', path: '/visibility', value: 'public' }, 403],
      [{ op: 'replace', path: '/owner', value: 'x' }, 403],
      [{ op: 'remove', path: '/name' }, 403],
      [{ op: 'remove', path: '/nothing' }, 409],
      [{ op: 'replace', path: '/nothing', value: 'x' }, 409],
      [{ op: 'add', path: '/colour', value: 5 }, 400],
      [{ op: 'replace', path: '/min_disk', value: -1 }, 400],
      [{ op: 'move', path: '/name', from: '/x' }, 400],
    ] as const) {
      assert.equal((await patch(id, [change])).status, wanted, JSON.stringify(change));
    }
    const json = await api.image('PATCH', `/images/${id}`, { body: [] });
    assert.equal(json.status, 415);

    assert.equal((await api.image('PUT', `/images/${id}/tags/y`)).status, 204);
    assert.equal((await api.image('DELETE', `/images/${id}/tags/x`)).status, 204);
    assert.equal((await api.image('DELETE', `/images/${id}/tags/x`)).status, 404);
    assert.deepEqual((await show(id)).tags, ['y']);

    assert.equal((await api.image('POST', `/images/${id}/actions/deactivate`)).status, 204);
    assert.equal((await file(id)).status, 403);
    assert.equal((await api.image('POST', `/images/${id}/actions/reactivate`)).status, 204);
    assert.equal((await file(id)).status, 200);

    await patch(id, [{ op: 'replace', path: '/protected', value: true }]);
    assert.equal((await api.image('DELETE', `/images/${id}`)).status, 403);
    await patch(id, [{ op: 'replace', path: '/protected', value: false }]);
    assert.equal((await api.image('DELETE', `/images/${id}`)).status, 204);
  });

  it('is found by its fields and properties, page by page', async () => {
    const project = 'stranger';
    for (let i = 0; i < 7; i++) {
      await create(
        { name: `n${i % 3}`, tags: [`t${i % 2}`], os_distro: i < 2 ? 'debian' : 'other' },
        project,
      );
    }
    const list = async (query: string): Promise<Answer['body']> =>
      (await api.image('GET', `/images?${query}`, { as: project })).body;
    assert.equal((await list('name=n0')).images.length, 3);
    assert.equal((await list('name=in:n0,n1')).images.length, 5);
    assert.equal((await list('tag=t1')).images.length, 3);
    assert.equal((await list('os_distro=debian&name=n1')).images.length, 1);
    assert.equal((await list('status=active')).images.length, 0);
    const seen: string[] = [];
    let query: string | undefined = 'limit=2&sort=name:asc,created_at:desc';
    while (query !== undefined) {
      const { images, next } = await list(query);
      seen.push(...images.map(({ name }: { name: string }) => name));
      query = next?.replace(/^\/v2\/images\?/, '');
    }
    assert.deepEqual(seen, ['n0', 'n0', 'n0', 'n1', 'n1', 'n2', 'n2']);
    for (const bad of ['limit=x', 'sort=colour', 'visibility=odd', 'size_min=x', `marker=${randomUUID()}`]) {
      assert.equal((await api.image('GET', `/images?${bad}`)).status, 400, bad);
    }
  });

  it('takes and gives data for tickets, and nothing else', async () => {
    const id = await create();
    const soon = Date.now() + 60_000;
    const ticket = (action: 'read' | 'write', of = id, until = soon) =>
      imageTicket(agentKeys(SECRET_KEY, 'storage.stor1'), 'storage.stor1', of, action, until);
    const data = randomBytes(100);
    assert.equal((await put(id, data, { ticket: ticket('read') })).status, 401);
    // Signed by another agent, or in the name of one that has nothing to do with images.
    const [own, neighbour] = ['storage.stor1', 'storage.stor2'];
    for (const [signer, name] of [
      [neighbour, own],
      ['compute.stor1', own],
      ['compute.stor1', 'compute.stor1'],
    ] as const) {
      const forged = imageTicket(agentKeys(SECRET_KEY, signer), name, id, 'write', soon);
      assert.equal((await put(id, data, { ticket: forged })).status, 401);
    }
    assert.equal((await put(id, data, { ticket: ticket('write', randomUUID()) })).status, 401);
    assert.equal((await put(id, data, { ticket: ticket('write', id, Date.now() - 1) })).status, 401);
    // Its own former life may still be uploading, as far as the api knows.
    const former = half(id);
    await eventually(async () => assert.equal((await show(id)).status, 'saving'));
    assert.equal((await put(id, data, { ticket: ticket('write') })).status, 204);
    assert.equal((await put(id, data, { ticket: ticket('write') })).status, 204);
    former.end(Buffer.alloc(500_000));
    await setTimeout(50);
    const got = await file(id, { ticket: ticket('read') });
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), data);
    assert.equal((await show(id)).size, 100);
    const other = await heldFetch(`${api.url}/image/v2/images/${id}`, {
      method: 'DELETE',
      headers: { [TICKET_HEADER]: ticket('write') },
    });
    assert.equal(other.status, 401);
  });

  it('describes itself', async () => {
    const versions = (await (await heldFetch(`${api.url}/image/`)).json()) as { versions: { id: string }[] };
    assert.match(versions.versions[0]?.id ?? '', /^v2\.\d+$/);
    assert.equal((await api.image('GET', '/schemas/image')).body.name, 'image');
    assert.equal((await api.image('GET', '/schemas/images')).body.name, 'images');
    const duplicate = await create();
    assert.equal((await api.image('POST', '/images', { body: { id: duplicate } })).status, 409);
    assert.equal((await api.image('POST', '/images', { body: { status: 'active' } })).status, 403);
    assert.equal((await api.image('POST', '/images', { body: { disk_format: 'iso' } })).status, 400);
    assert.equal((await api.image('POST', '/images', { as: 'reader', body: {} })).status, 403);
  });

  it('may take long to come, as long as they come; other requests may not', async () => {
    await using hasty = await startApi({ requestTimeoutMs: 400 });
    const { body } = await hasty.image('POST', '/images', { body: RAW });
    const send = async (path: string, type: string, pieces: readonly string[]): Promise<number> => {
      const upload = httpRequest(`${hasty.url}${path}`, {
        method: 'PUT',
        headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': type, 'Content-Length': pieces.length },
      });
      upload.on('error', () => undefined);
      const answered = once(upload, 'response');
      for (const piece of pieces) {
        upload.write(piece);
        await setTimeout(300);
      }
      upload.end();
      const [response] = await answered;
      response.resume();
      return response.statusCode;
    };
    assert.equal(await send(`/image/v2/images/${body.id}/file`, BYTES, 'datadata'.split('')), 204);
    assert.equal(await send(`/v3/${PROJECT}/volumes/x`, 'application/json', '{      }'.split('')), 400);
  });
});
