import assert from 'node:assert/strict';
import { type ClientRequest, request } from 'node:http';
import { startApi, type TestApi, TOKENS, type Who } from '../support/api.ts';
import { eventually } from '../support/hosts.ts';

const KIB = 1024;
const UPLOADS = 8;
/** Three and a half images of this size fit. */
const IMAGE_BYTES = 10 * KIB;
const PROJECT_BYTES = 35 * KIB;

describe("a project's share of image data", () => {
  let api: TestApi;
  before(async () => {
    api = await startApi({ projectBytes: PROJECT_BYTES });
  });
  after(() => api[Symbol.asyncDispose]());

  async function create(as: Who): Promise<string> {
    const { body } = await api.image('POST', '/images', {
      as,
      body: { disk_format: 'raw', container_format: 'bare' },
    });
    return body.id;
  }
  const show = async (id: string) => (await api.image('GET', `/images/${id}`, { as: 'admin' })).body;

  /** Has sent all but the end, and nothing of how much there is. */
  function nearlyDone(
    id: string,
    as: Who,
  ): { readonly upload: ClientRequest; readonly status: Promise<number> } {
    const upload = request(`${api.url}/image/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS[as], 'Content-Type': 'application/octet-stream' },
    });
    const status = new Promise<number>((resolve, reject) => {
      upload.on('error', reject);
      upload.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
    });
    upload.write(Buffer.alloc(IMAGE_BYTES, 1));
    return { upload, status };
  }

  it('is not exceeded by uploads that end together; those beyond it wait for data again', async () => {
    const ids = await Promise.all(Array.from({ length: UPLOADS }, () => create('member')));
    const stranger = await create('stranger');
    const uploads = [...ids.map((id) => nearlyDone(id, 'member')), nearlyDone(stranger, 'stranger')];
    for (const id of [...ids, stranger])
      await eventually(async () => assert.equal((await show(id)).status, 'saving'));
    for (const { upload } of uploads) upload.end();
    const answers = await Promise.all(uploads.map(({ status }) => status));
    assert.equal(answers.pop(), 204, 'another project has a share of its own');
    assert.deepEqual(
      answers.toSorted((a, b) => a - b),
      [204, 204, 204, 413, 413, 413, 413, 413],
    );

    for (const [index, id] of ids.entries()) {
      const { status, size, checksum } = await show(id);
      if (answers[index] === 204) assert.deepEqual([status, size], ['active', IMAGE_BYTES]);
      else assert.deepEqual([status, size, checksum], ['queued', null, null]);
    }
    const kept = (await api.app.images.files!.list()).map(({ id, token }) => `${id} ${token}`);
    const whole = [...ids.filter((_, index) => answers[index] === 204), stranger];
    assert.deepEqual(kept.toSorted(), whole.map((id) => `${id} null`).toSorted());

    // Room comes back with what is deleted.
    await api.image('DELETE', `/images/${whole[0]}`);
    const again = nearlyDone(ids[answers.indexOf(413)]!, 'member');
    again.upload.end();
    assert.equal(await again.status, 204);
  });
});
