import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Handlers } from '#agent/handlers.ts';
import { type RunOptions, systemRunner } from '#agent/run.ts';
import { inspectImage } from '#images/inspect.ts';
import { createSecrets } from '#queues/secrets.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { DiskFormat, ImageSource } from '#schema/tasks.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import type { Images } from '#storage-agent/images/images.ts';
import { openImages } from '#storage-agent/images/open.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { createNoTarget } from '#storage-agent/targets/none.ts';
import { makeHostileFiles, patched, qemuImg, u64be } from '../../images/files.ts';
import { type ImageDouble, startImageDouble } from './double.ts';

const MIB = 1024 ** 2;
const KEY = randomBytes(32).toString('hex');
const invalid = (message: RegExp) => ({ name: 'TaskError', code: 'invalid', message });

describe('volumes and images', function () {
  this.timeout(60_000);
  let folder: string;
  let service: ImageDouble;
  let backend: Backend;
  let handlers: Handlers<'storage'>;
  let images: Images;
  let commands: string[];
  const stop = new AbortController();
  const context = { requestId: 'req-test', signal: stop.signal };

  before(async () => {
    service = await startImageDouble(KEY);
  });
  after(() => service[Symbol.asyncDispose]());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-images-'));
    commands = [];
    const runner = {
      run(program: string, args: readonly string[], options?: RunOptions) {
        commands.push([program, ...args].join(' '));
        return systemRunner.run(program, args, options);
      },
    };
    backend = await createFileBackend(join(folder, 'volumes'), runner);
    const config = {
      imageService: { url: service.url, account: null },
      imageDir: join(folder, 'temp'),
      host: asId<HostName>('storage-1'),
      keys: KEY,
    };
    const opened = openImages(config, runner);
    assert.ok(opened !== undefined);
    images = opened;
    handlers = createStorageHandlers({
      backends: new Map([['files', backend]]),
      target: createNoTarget([], 'iqn.2010-10.org.blockyard'),
      secrets: createSecrets(KEY),
      disks: createDisks(createQemuImg(systemRunner), folder),
      images,
    });
  });
  afterEach(async () => {
    service.misbehave(null);
    // Nothing is left of what was fetched, and no volume that is not whole.
    assert.deepEqual(await readdir(join(folder, 'temp')).catch(() => []), []);
    assert.deepEqual(
      (await readdir(join(folder, 'volumes'))).filter((name) => name.startsWith('copying-')),
      [],
    );
    await rm(folder, { recursive: true });
  });

  /** Some data between holes. */
  const disk = Buffer.concat([
    Buffer.alloc(MIB, 'begin'),
    Buffer.alloc(5 * MIB),
    Buffer.alloc(MIB, 'end'),
    Buffer.alloc(MIB),
  ]);
  const rawFile = async (): Promise<string> => {
    const path = join(folder, 'disk.raw');
    await writeFile(path, disk);
    return path;
  };
  const store = (data: Buffer, format: DiskFormat): ImageSource => {
    const id = randomUUID();
    service.data.set(id, data);
    return service.source(id, format);
  };
  const ensure = async (image: ImageSource, volumeId: string = randomUUID()): Promise<string> => {
    await backend.ensure(volumeId, 16 * MIB, { kind: 'image', image: images.content(image, stop.signal) });
    return backend.devicePath(volumeId);
  };

  const kinds: [DiskFormat, ...string[]][] = [
    ['qcow2'],
    ['qcow2', '-c'],
    ['qcow2', '-o', 'compat=0.10'],
    ['vmdk'],
    ['vmdk', '-o', 'subformat=streamOptimized'],
    ['vhdx'],
    ['raw'],
  ];
  for (const [format, ...options] of kinds)
    it(`makes a volume from ${[format, ...options].join(' ')}, and leaves its holes out`, async () => {
      const packed = join(folder, 'packed');
      await qemuImg('convert', '-q', '-f', 'raw', '-O', format, ...options, await rawFile(), packed);
      const path = await ensure(store(await readFile(packed), format));
      const volume = await stat(path);
      assert.equal(volume.size, 16 * MIB);
      assert.ok(volume.blocks * 512 <= 3 * MIB, `${volume.blocks * 512} bytes taken`);
      const data = await readFile(path);
      assert.ok(data.subarray(0, disk.length).equals(disk));
      assert.ok(data.subarray(disk.length).every((byte) => byte === 0));
    });

  it('does as the task says', async () => {
    const place = { volumeId: randomUUID(), backend: 'files' };
    const task = { ...place, sizeGib: 1, source: { kind: 'image', image: store(disk, 'raw') } } as const;
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await handlers['volume.ensure'](task, context), { sizeBytes: 1024 * MIB });
    assert.equal(service.fetched.filter((id) => id === task.source.image.id).length, 1);
    const withoutImages = createStorageHandlers({
      backends: new Map([['files', backend]]),
      target: createNoTarget([], 'iqn.2010-10.org.blockyard'),
      secrets: createSecrets(KEY),
      disks: createDisks(createQemuImg(systemRunner), folder),
    });
    await assert.rejects(withoutImages['volume.ensure']({ ...task, volumeId: randomUUID() }, context), {
      code: 'refused',
      message: /BLOCKYARD_IMAGE_URL/,
    });
  });

  it('fills a volume once, and again after a try that was cut short', async () => {
    const image = store(disk, 'raw');
    const volumeId = randomUUID();
    service.misbehave((_request, response) => {
      response.writeHead(200, { 'content-length': String(disk.length) });
      response.write(disk.subarray(0, 6 * MIB), () => response.destroy());
    });
    await assert.rejects(ensure(image, volumeId), { message: /aborted|reset/i });
    assert.equal(await backend.activate(volumeId), false);
    service.misbehave(null);
    const path = await ensure(image, volumeId);
    await writeFile(path, 'changed', { flag: 'r+' });
    await ensure(image, volumeId);
    assert.equal((await readFile(path)).toString('latin1', 0, 7), 'changed');
    assert.deepEqual(await readdir(join(folder, 'volumes')), [`volume-${volumeId}`]);
  });

  it('removes what a cut try has left, when the volume is given up', async () => {
    const volumeId = randomUUID();
    await writeFile(join(folder, 'volumes', `filling-${volumeId}`), 'half');
    await handlers['volume.absent']({ volumeId, backend: 'files' }, context);
    assert.deepEqual(await readdir(join(folder, 'volumes')), []);
  });

  it('refuses each kind of hostile file before QEMU sees it, and leaves nothing', async () => {
    for (const { name, path, declared, message } of await makeHostileFiles(folder)) {
      const volumeId = randomUUID();
      const image = store(await readFile(path), declared);
      await assert.rejects(ensure(image, volumeId), invalid(message), name);
      assert.equal(await backend.activate(volumeId), false);
    }
    assert.deepEqual(commands, []);
  });

  it('refuses data that are not those on record', async () => {
    const qcow2 = join(folder, 'plain.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', qcow2, '4M');
    for (const [format, data] of [
      ['raw', disk],
      ['qcow2', await readFile(qcow2)],
    ] as const) {
      const image = store(data, format);
      await assert.rejects(ensure({ ...image, sha512: '00' }), invalid(/checksum/));
      await assert.rejects(ensure({ ...image, sha512: null, md5: '00' }), invalid(/checksum/));
      await assert.rejects(ensure({ ...image, sizeBytes: image.sizeBytes + 1 }), invalid(/size/));
      await assert.rejects(ensure({ ...image, sizeBytes: image.sizeBytes - 1 }), invalid(/size/));
      await ensure({ ...image, sha512: null, md5: null });
    }
    assert.deepEqual(commands.filter((command) => / convert /.test(command)).length, 1);
  });

  it('refuses a bomb: a few bytes that say they are more than the volume', async () => {
    const bomb = join(folder, 'bomb.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', bomb, '64T');
    await assert.rejects(ensure(store(await readFile(bomb), 'qcow2')), invalid(/larger than the volume/));
    await assert.rejects(
      ensure({ ...store(disk, 'raw'), sizeBytes: 1024 ** 4 }),
      invalid(/larger than the volume/),
    );
    assert.deepEqual(commands, []);
  });

  it('refuses an image that QEMU cannot read, with QEMU’s words', async () => {
    const plain = join(folder, 'plain.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', plain, '4M');
    const broken = await patched(plain, join(folder, 'broken.qcow2'), [40, u64be(0x1234n)]);
    await assert.rejects(ensure(store(await readFile(broken), 'qcow2')), invalid(/cannot be read.*L1/i));
  });

  it('runs QEMU under limits only, and always tells it the format', async () => {
    const packed = join(folder, 'packed');
    await qemuImg('convert', '-q', '-f', 'raw', '-O', 'qcow2', await rawFile(), packed);
    await ensure(store(await readFile(packed), 'qcow2'));
    assert.ok(commands.length >= 2);
    for (const command of commands)
      assert.match(command, /^prlimit --as=\d+ --cpu=\d+ setpriv --pdeathsig KILL qemu-img \w+ .*-f qcow2 /);
  });

  it('says who is to blame when the service has no data, or does not let the agent in', async () => {
    const image = store(disk, 'raw');
    const answer = (status: number) =>
      service.misbehave((_request, response) => response.writeHead(status).end());
    answer(404);
    await assert.rejects(ensure(image), { code: 'not-found' });
    answer(403);
    await assert.rejects(ensure(image), { code: 'refused', message: /let this host in/ });
    answer(503);
    await assert.rejects(ensure(image), { name: 'Error', message: /503/ });
    service.misbehave((_request, response) => response.writeHead(302, { location: service.url }).end());
    await assert.rejects(ensure(image), { message: /302/ });
  });

  for (const format of ['raw', 'qcow2', 'vmdk', 'vhdx'] as const)
    it(`stores a volume as ${format}, once, and makes the same volume of it again`, async () => {
      const volumeId = randomUUID();
      const path = await ensure(store(disk, 'raw'), volumeId);
      const imageId = randomUUID();
      for (let round = 0; round < 2; round += 1)
        await handlers['volume.upload']({ volumeId, backend: 'files', imageId, diskFormat: format }, context);
      const stored = service.data.get(imageId);
      assert.ok(stored !== undefined);
      assert.equal(inspectImage(stored).format, format);
      const again = await ensure(service.source(imageId, format));
      assert.ok((await readFile(again)).equals(await readFile(path)));
    });

  it('tells an image that has gone from one that nobody can tell about', async () => {
    await backend.ensure(randomUUID(), MIB);
    const { id } = store(disk, 'raw');
    assert.equal(await images.holds(id, stop.signal), true);
    for (const [status, held] of [
      [404, false],
      [403, true],
    ] as const) {
      service.misbehave((_request, response) => response.writeHead(status).end());
      assert.equal(await images.holds(id, stop.signal), held);
    }
    service.misbehave((_request, response) => response.writeHead(500).end());
    await assert.rejects(images.holds(id, stop.signal), /500/);
  });

  it('fails an upload of what cannot be opened, and nothing else', async () => {
    const gone = { path: join(folder, 'gone'), sizeBytes: MIB };
    for (const how of [null, () => undefined]) {
      service.misbehave(how);
      await assert.rejects(images.upload(randomUUID(), 'raw', gone, stop.signal), { code: 'ENOENT' });
    }
    await assert.rejects(images.upload('../x', 'raw', gone, stop.signal), invalid(/must be a UUID/));
    // Time in which a failure that nobody has caught would end the process.
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it('does not take an upload for done that was not', async () => {
    const volumeId = randomUUID();
    await ensure(store(disk, 'raw'), volumeId);
    const upload = () =>
      handlers['volume.upload'](
        { volumeId, backend: 'files', imageId: randomUUID(), diskFormat: 'raw' },
        context,
      );
    service.misbehave((_request, response) => response.writeHead(409, { connection: 'close' }).end());
    await assert.rejects(upload(), { name: 'Error', message: /does not wait/ });
    service.misbehave((_request, response) => response.writeHead(413, { connection: 'close' }).end());
    await assert.rejects(upload(), { code: 'refused', message: /size/ });
    service.misbehave((request, _response) => request.destroy());
    await assert.rejects(upload(), { name: 'Error' });
  });
});
