import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { openDatabase } from '#queues/database.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { Tables } from '#schema/tables.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';

const MIB = 1024 ** 2;

// Replies are of every shape; the tests look only at what they are about.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** The real processes and qemu-img: what is in encrypted volumes, wherever their data go, for whom. */
describe('the data of encrypted volumes', function () {
  this.timeout(600_000);
  let dir: string;
  let stack: Stack;
  let db: Kysely<Tables>;
  const data = randomBytes(3 * MIB);
  let plainImage: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-enc-'));
    stack = await startStack({
      runDir: join(dir, 'run'),
      only: ['api', 'conductor', 'storage'],
      target: 'none',
      hypervisor: 'noop',
      log: () => undefined,
      ready: servicesUp,
    });
    db = openDatabase(stack.env['DATABASE_URL']!, { connections: 1 });
    await writeFile(join(dir, 'wrong'), 'another passphrase');
    const { body } = await call('POST', v3('/types'), { volume_type: { name: 'secret' } });
    const record = {
      provider: 'luks',
      cipher: 'aes-xts-plain64',
      key_size: 256,
      control_location: 'front-end',
    };
    await call('POST', v3(`/types/${body.volume_type.id}/encryption`), { encryption: record });
    plainImage = await imageOf(data);
  });
  after(async () => {
    await db?.destroy();
    await stack?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const v3 = (path: string): string => `/v3/${stack.project}${path}`;

  async function call(
    method: string,
    path: string,
    body?: object,
    type = 'application/json',
  ): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': stack.adminToken,
        'OpenStack-API-Version': 'volume 3.71',
        'Content-Type': type,
      },
      ...(body !== undefined && { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  async function imageOf(content: Buffer): Promise<string> {
    const wanted = { name: 'disk', disk_format: 'raw', container_format: 'bare' };
    const { body } = await call('POST', '/image/v2/images', wanted);
    const put = await call('PUT', `/image/v2/images/${body.id}/file`, content, 'application/octet-stream');
    assert.equal(put.status, 204);
    return body.id;
  }

  async function is(path: string, noun: string, wanted: string): Promise<Json> {
    for (;;) {
      const { status, body } = await call('GET', path);
      assert.equal(status, 200, path);
      const found = body[noun] ?? body;
      if (found.status === wanted) return found;
      assert.doesNotMatch(found.status, /^error/, JSON.stringify(found));
      await sleep(100);
    }
  }
  const available = (id: string) => is(v3(`/volumes/${id}`), 'volume', 'available');

  async function made(volume: object): Promise<Json> {
    const { status, body } = await call('POST', v3('/volumes'), { volume: { size: 1, ...volume } });
    assert.equal(status, 202, JSON.stringify(body));
    return available(body.volume.id);
  }

  async function deleted(path: string): Promise<void> {
    const { status } = await call('DELETE', path);
    assert.ok(status === 202 || status === 204, `${status} of ${path}`);
    while ((await call('GET', path)).status === 200) await sleep(50);
  }

  const fileOf = (id: string): string => join(stack.runDir, `volumes/volume-${id}`);

  const keys = async (): Promise<string[]> =>
    (await db.selectFrom('encryption_keys').select('id').execute()).map(({ id }) => id);

  /** What a guest sees at the beginning of the volume. @param secretFile with the passphrase; by default the one of its own key */
  async function inside(volume: Json, bytes: number, secretFile?: string): Promise<Buffer> {
    const clear = join(dir, 'clear');
    const right = join(dir, 'right');
    const row = await db
      .selectFrom('encryption_keys')
      .select('secret')
      .where('id', '=', volume.encryption_key_id)
      .executeTakeFirstOrThrow();
    const master = createSecrets(stack.env['BLOCKYARD_SECRET_KEY']!);
    await writeFile(right, master.decrypt(row.secret, volume.id), { mode: 0o600 });
    const words = [
      'dd',
      '--object',
      `secret,id=k,file=${secretFile ?? right}`,
      '--image-opts',
      '-O',
      'raw',
      'bs=1M',
      `count=${Math.ceil(bytes / MIB)}`,
      `if=driver=luks,key-secret=k,file.driver=file,file.filename=${fileOf(volume.id)}`,
      `of=${clear}`,
    ];
    await rm(clear, { force: true });
    await systemRunner.run('qemu-img', words, { timeoutMs: 60_000 });
    return (await readFile(clear)).subarray(0, bytes);
  }

  async function assertHolds(volume: Json, content: Buffer): Promise<void> {
    assert.ok((await inside(volume, content.length)).equals(content), 'it opens and holds what it should');
    await assert.rejects(inside(volume, content.length, join(dir, 'wrong')), /Invalid password/);
    await using file = await open(fileOf(volume.id));
    const { buffer } = await file.read(Buffer.alloc(8 * MIB), 0, 8 * MIB, 0);
    assert.equal(buffer.toString('latin1', 0, 4), 'LUKS');
    assert.equal(buffer.includes(content.subarray(0, 512)), false, 'nothing in clear');
  }

  it('go into an image as they are, and from there into volumes that open with keys of their own', async () => {
    const volume = await made({ imageRef: plainImage, volume_type: 'secret' });
    await assertHolds(volume, data);
    const action = { 'os-volume_upload_image': { image_name: 'sealed', visibility: 'shared' } };
    const sent = await call('POST', v3(`/volumes/${volume.id}/action`), action);
    assert.equal(sent.status, 202, JSON.stringify(sent.body));
    const path = `/image/v2/images/${sent.body['os-volume_upload_image'].image_id}`;
    const image = await is(path, 'image', 'active');
    assert.equal(image.cinder_encryption_key_deletion_policy, 'on_image_deletion');
    assert.notEqual(image.cinder_encryption_key_id, volume.encryption_key_id);
    assert.ok((await keys()).includes(image.cinder_encryption_key_id));
    await available(volume.id);
    await deleted(v3(`/volumes/${volume.id}`));

    const plain = await call('POST', v3('/volumes'), { volume: { size: 1, imageRef: image.id } });
    assert.equal(plain.status, 400, 'nobody could read it');
    const copy = await made({ imageRef: image.id, volume_type: 'secret' });
    await assertHolds(copy, data);

    // Another image over it: encrypted on its way, with the volume's own key.
    const other = randomBytes(2 * MIB);
    const reimage = { 'os-reimage': { image_id: await imageOf(other) } };
    assert.equal((await call('POST', v3(`/volumes/${copy.id}/action`), reimage)).status, 202);
    assert.equal((await available(copy.id)).encryption_key_id, copy.encryption_key_id);
    await assertHolds(copy, other);

    await deleted(path);
    assert.deepEqual(await keys(), [copy.encryption_key_id], 'the image took its key along');
    await assertHolds(copy, other);
    await deleted(v3(`/volumes/${copy.id}`));
    assert.deepEqual(await keys(), []);
  });

  it('are encrypted, and decrypted again, when a volume gets such a type or loses it', async () => {
    const { body } = await call('POST', v3('/types'), { volume_type: { name: 'clear' } });
    const clear: string = body.volume_type.name;
    const volume = await made({ imageRef: plainImage, volume_type: clear });
    const had = await keys();
    const retyped = async (new_type: string): Promise<Json> => {
      const action = { 'os-retype': { new_type, migration_policy: 'on-demand' } };
      const { status, body: said } = await call('POST', v3(`/volumes/${volume.id}/action`), action);
      assert.equal(status, 202, JSON.stringify(said));
      const found = await available(volume.id);
      assert.deepEqual([found.volume_type, found.migration_status], [new_type, 'success']);
      return found;
    };
    const sealed = await retyped('secret');
    await assertHolds(sealed, data);
    assert.deepEqual(new Set(await keys()), new Set([...had, sealed.encryption_key_id]));
    const again = await retyped(clear);
    assert.equal(again.encrypted, false);
    assert.deepEqual(await keys(), had, 'the key has gone with what it opened');
    await using file = await open(fileOf(volume.id));
    const { buffer } = await file.read(Buffer.alloc(data.length), 0, data.length, 0);
    assert.ok(buffer.equals(data));
    await deleted(v3(`/volumes/${volume.id}`));
  });

  it('are restored over a volume with the key that opens them', async () => {
    const volume = await made({ imageRef: plainImage, volume_type: 'secret' });
    const target = await made({ volume_type: 'secret' });
    const { status, body } = await call('POST', v3('/backups'), { backup: { volume_id: volume.id } });
    assert.equal(status, 202, JSON.stringify(body));
    const path = v3(`/backups/${body.backup.id}`);
    await is(path, 'backup', 'available');
    const restore = { restore: { volume_id: target.id } };
    assert.equal((await call('POST', `${path}/restore`, restore)).status, 202);
    const restored = await available(target.id);
    assert.notEqual(restored.encryption_key_id, target.encryption_key_id);
    await assertHolds(restored, data);
    assert.equal((await keys()).length, 3);
  });
});
