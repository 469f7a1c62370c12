import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Handlers } from '#agent/handlers.ts';
import { systemRunner } from '#agent/run.ts';
import { createSecrets } from '#queues/secrets.ts';
import { type Luks, luksHeaderBytes } from '#schema/luks.ts';
import { type Backend, GIB } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { IQN_PREFIX, startTgtFixture, type TgtFixture } from './targets/tgt/fixture.ts';

const MIB = 1024 ** 2;
const SIZE = 64 * MIB;
const sizeGib = SIZE / GIB;
const XTS = { cipher: 'aes-xts-plain64', keyBits: 512 } as const;
const CBC = { cipher: 'aes-cbc-essiv:sha256', keyBits: 256 } as const;
const context = { requestId: 'req-test', signal: new AbortController().signal };

/** A retype that moves the volume as well: what one host exports the other reads, by QEMU's own initiator. */
describe('another encryption on the way to another host', function () {
  this.timeout(180_000);
  const secrets = createSecrets(randomBytes(32).toString('hex'));
  const volumeId = randomUUID();
  let fixture: TgtFixture;
  let other: Backend;
  let folder: string;
  let hosts: Handlers<'storage'>;
  before(async () => {
    fixture = await startTgtFixture();
    folder = dirname(fixture.socket);
    other = await createFileBackend(join(folder, 'other'), systemRunner);
    hosts = createStorageHandlers({
      backends: new Map([
        ['here', fixture.backend],
        ['there', other],
      ]),
      target: createTgtTarget({
        client: createTgtClient(fixture.socket),
        portals: [fixture.tgtd.portal],
        iqnPrefix: IQN_PREFIX,
      }),
      secrets,
      disks: createDisks(createQemuImg(systemRunner), join(folder, 'scratch')),
    });
  });
  after(() => fixture[Symbol.asyncDispose]());

  const sealed = (passphrase: string, how: Pick<Luks, 'cipher' | 'keyBits'>): Luks => ({
    ...how,
    secret: secrets.encrypt(passphrase, volumeId),
  });
  /** @returns what runs the copy, as often as one likes */
  async function copying(from: string, to: string, how: { readonly was?: Luks; readonly luks?: Luks }) {
    const chap = { username: `user-${randomUUID()}`, secret: secrets.encrypt('planted-secret-1', volumeId) };
    const initiator = 'iqn.2010-10.org.blockyard:host:there';
    const acls = [{ initiator, chap }];
    const exported = { volumeId, backend: from, number: 1, acls };
    const { connection } = await hosts['export.ensure'](exported, context);
    assert.ok(connection);
    const source = { kind: 'export' as const, connection, initiator };
    return () =>
      hosts['volume.copy']({ volumeId, backend: to, sizeGib, from: source, chap, ...how }, context);
  }
  async function gone(from: string): Promise<void> {
    await hosts['export.ensure']({ volumeId, backend: from, number: 1, acls: [] }, context);
    await hosts['volume.absent']({ volumeId, backend: from }, context);
  }
  async function inside(path: string, passphrase: string): Promise<Buffer> {
    const [key, clear] = [join(folder, 'key'), join(folder, 'clear')];
    await writeFile(key, passphrase);
    await rm(clear, { force: true });
    const secret = ['--object', `secret,id=k,file=${key}`, '--image-opts'];
    const image = `driver=luks,key-secret=k,file.driver=file,file.filename=${path}`;
    await systemRunner.run('qemu-img', ['convert', ...secret, image, '-O', 'raw', clear], {
      timeoutMs: 60_000,
    });
    return readFile(clear);
  }

  it('goes from clear to LUKS, to another key, and back to clear, and nothing readable lies on the way', async () => {
    const data = Buffer.concat([Buffer.from(randomUUID()), randomBytes(3 * MIB)]);
    const mark = data.subarray(0, 36);
    await hosts['volume.ensure']({ volumeId, backend: 'here', sizeGib }, context);
    const [here, there] = [fixture.backend.devicePath(volumeId), other.devicePath(volumeId)];
    {
      await using file = await open(here, 'r+');
      await file.write(data, 0, data.length, 0);
      await file.write(mark, 0, mark.length, SIZE - luksHeaderBytes(XTS) - mark.length);
    }
    const before = await readFile(here);
    const [first, second] = [sealed('first', XTS), sealed('second', CBC)];

    const encrypting = await copying('here', 'there', { luks: first });
    assert.deepEqual(await encrypting(), { sizeBytes: SIZE });
    const made = await readFile(there);
    assert.deepEqual(await encrypting(), { sizeBytes: SIZE });
    assert.ok((await readFile(there)).equals(made), 'what is whole is not made again');
    await gone('here');
    assert.equal(made.includes(mark), false);
    assert.ok((await inside(there, 'first')).equals(before.subarray(0, SIZE - luksHeaderBytes(XTS))));

    await (await copying('there', 'here', { was: first, luks: second }))();
    await gone('there');
    assert.equal((await readFile(here)).includes(mark), false);
    await (await copying('here', 'there', { was: second }))();
    await gone('here');
    const size = SIZE - luksHeaderBytes(XTS);
    assert.ok((await readFile(there)).subarray(0, size).equals(before.subarray(0, size)));
    assert.deepEqual(await readdir(join(folder, 'scratch')), [], 'no passphrase and no account is left');
  });
});
