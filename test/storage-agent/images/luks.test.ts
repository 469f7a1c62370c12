import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { LUKS_CIPHERS, type LuksCipher, luksHeaderBytes } from '#schema/luks.ts';
import type { ImageContent } from '#storage-agent/backends/backend.ts';
import { createEncrypt } from '#storage-agent/images/luks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { writeRaw } from '#storage-agent/images/write-raw.ts';

const MIB = 1024 ** 2;
const SIZE = 16 * MIB;
const VOLUME = '11111111-2222-4333-8444-555555555555';
const PASSPHRASE = 'a passphrase, with a comma';

describe('encrypted volumes', function () {
  this.timeout(120_000);
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-luks-'));
    await writeFile(join(dir, 'right'), PASSPHRASE);
    await writeFile(join(dir, 'wrong'), 'another');
  });
  after(() => rm(dir, { recursive: true }));

  const encrypt = () => createEncrypt(createQemuImg(systemRunner), join(dir, 'work'));
  const qemuImg = async (...args: string[]): Promise<string> =>
    (await systemRunner.run('qemu-img', args, { timeoutMs: 60_000 })).stdout;

  async function made(
    name: string,
    cipher: LuksCipher,
    keyBits: number,
    plain?: ImageContent,
  ): Promise<string> {
    const path = join(dir, name);
    await using file = await open(path, 'w');
    await file.truncate(SIZE);
    const content = encrypt()(VOLUME, { cipher, keyBits, passphrase: PASSPHRASE }, plain);
    await content.open(SIZE, (opened) => opened.writeTo(path, true));
    assert.equal((await stat(path)).size, SIZE, 'as large as the volume');
    assert.deepEqual(await readdir(join(dir, 'work')), [], 'no passphrase and nothing in clear is left');
    return path;
  }

  /** What a guest would see of it. */
  async function inside(path: string, secret: string): Promise<Buffer> {
    const clear = `${path}.clear`;
    await qemuImg(
      'convert',
      '--object',
      `secret,id=k,file=${join(dir, secret)}`,
      '--image-opts',
      `driver=luks,key-secret=k,file.driver=file,file.filename=${path}`,
      '-O',
      'raw',
      clear,
    );
    await using file = await open(clear);
    return file.readFile();
  }

  for (const [cipher, lengths] of Object.entries(LUKS_CIPHERS) as [LuksCipher, readonly number[]][]) {
    for (const keyBits of lengths) {
      it(`${cipher} with ${keyBits} bits: the header is where we say`, async () => {
        const path = await made(`${cipher}-${keyBits}`, cipher, keyBits);
        const options = `driver=luks,file.driver=file,file.filename=${path}`;
        const info = JSON.parse(await qemuImg('info', '--output=json', '--image-opts', options)) as {
          'virtual-size': number;
          'format-specific': { data: { 'payload-offset': number } };
        };
        assert.equal(info['format-specific'].data['payload-offset'], luksHeaderBytes({ keyBits }));
        assert.equal(info['virtual-size'], SIZE - luksHeaderBytes({ keyBits }));
      });
    }
  }

  it('an image is in it for whoever has the passphrase, and for nobody else', async () => {
    const data = Buffer.alloc(3 * MIB, 'the text of an image ');
    const image: ImageContent = {
      id: VOLUME,
      digest: null,
      open: (atMostBytes, work) => {
        assert.equal(atMostBytes, SIZE - luksHeaderBytes({ keyBits: 256 }));
        return work({
          sizeBytes: data.length,
          dataBytes: data.length,
          writeTo: (path, zeroed) => writeRaw(pieces(data), path, { zeroed, durable: true }),
        });
      },
    };
    const path = await made('image', 'aes-xts-plain64', 256, image);
    assert.ok((await inside(path, 'right')).subarray(0, data.length).equals(data));
    await assert.rejects(inside(path, 'wrong'), /Invalid password/);
    await using file = await open(path);
    assert.equal((await file.readFile()).includes('the text of an image'), false);
  });
});

async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
  yield data;
}
