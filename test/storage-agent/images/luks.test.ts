import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { LUKS_CIPHERS, type LuksCipher, luksHeaderBytes } from '#schema/luks.ts';
import type { ImageContent } from '#storage-agent/backends/backend.ts';
import { createEncrypt, type OpenLuks } from '#storage-agent/images/luks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { createRecode } from '#storage-agent/images/recode.ts';
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

describe('another encryption', function () {
  this.timeout(120_000);
  const XTS: OpenLuks = { cipher: 'aes-xts-plain64', keyBits: 512, passphrase: PASSPHRASE };
  const CBC: OpenLuks = { cipher: 'aes-cbc-essiv:sha256', keyBits: 256, passphrase: 'the other one' };
  const [big, small] = [luksHeaderBytes(XTS), luksHeaderBytes(CBC)];
  const qemuImg = createQemuImg(systemRunner);
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-recode-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const file = async (name: string): Promise<string> => {
    const path = join(dir, name);
    await using handle = await open(path, 'w');
    await handle.truncate(SIZE);
    return path;
  };
  const recode = (path: string, was: OpenLuks | null, luks: OpenLuks | null, to: string) =>
    createRecode(qemuImg, join(dir, 'work'))(VOLUME, { path }, { was, luks }, SIZE, async (opened) => {
      assert.equal(await opened.isAt(to), false);
      await opened.writeTo(to, true);
      assert.equal(await opened.isAt(to), true);
      return opened.sizeBytes;
    });
  const written = async (path: string, ...data: readonly (readonly [number, Buffer])[]): Promise<void> => {
    await using handle = await open(path, 'r+');
    for (const [at, bytes] of data) await handle.write(bytes, 0, bytes.length, at);
  };

  it('goes from clear to LUKS, to another cipher, and back, byte by byte', async () => {
    const [clear, first] = [await file('clear'), await file('xts')];
    const [second, again] = [await file('cbc'), await file('again')];
    const [head, tail] = [randomBytes(MIB), randomBytes(4096)];
    await written(clear, [0, head], [SIZE - big - tail.length, tail]);
    assert.equal(await recode(clear, null, XTS, first), SIZE);
    assert.equal((await readFile(first)).includes(head.subarray(0, 512)), false);
    await recode(first, XTS, CBC, second);
    assert.equal((await readFile(second)).includes(head.subarray(0, 512)), false);
    await recode(second, CBC, null, again);
    const [before, after] = [await readFile(clear), await readFile(again)];
    // What the smaller header left free nobody has written: inside of the second it is noise.
    assert.ok(before.subarray(0, SIZE - big).equals(after.subarray(0, SIZE - big)));
    assert.ok(after.subarray(SIZE - small).every((byte) => byte === 0));
    assert.equal(after.length, SIZE);
    // Its end has never been written, so a larger header may take it.
    await recode(second, CBC, XTS, await file('larger'));
    assert.deepEqual(await readdir(join(dir, 'work')), [], 'no passphrase is left');
  });

  it('is refused where the end holds data that a header has no room for, or the key is wrong', async () => {
    const clear = await file('clear');
    await written(clear, [SIZE - 512, Buffer.from('a backup of a partition table')]);
    const refused = { code: 'refused', message: /the last 2\d+ bytes of the volume hold data/ };
    await assert.rejects(recode(clear, null, XTS, await file('to')), refused);
    const cbc = await file('cbc');
    await written(clear, [SIZE - 512, Buffer.alloc(512)], [SIZE - big, Buffer.from('the end of the data')]);
    await written(clear, [SIZE - big, Buffer.alloc(512)], [SIZE - big - 512, Buffer.from('the end')]);
    await recode(clear, null, CBC, cbc);
    await assert.rejects(recode(cbc, { ...CBC, passphrase: 'no' }, null, await file('to')), /./);
    assert.deepEqual(await readdir(join(dir, 'work')), []);
  });
});

async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
  yield data;
}
