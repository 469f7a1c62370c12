import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  constants,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import type { Backend, ImageContent } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { itIsABackend } from '../contract.ts';

const MIB = 1024 ** 2;

describe('file backend', () => {
  let folder: string;
  let backend: Backend;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-file-'));
    backend = await createFileBackend(join(folder, 'volumes'), systemRunner);
  });
  afterEach(() => rm(folder, { recursive: true }));

  describe('contract', () => {
    let own: string;
    itIsABackend(async () => {
      own = await mkdtemp(join(tmpdir(), 'by-file-'));
      return createFileBackend(own, systemRunner);
    });
    after(() => rm(own, { recursive: true }));
  });

  it('takes space only when something is written, and lets only its own user in', async () => {
    const volume = randomUUID();
    await backend.ensure(volume, 10 * 1024 * MIB);
    const file = await stat(backend.devicePath(volume));
    assert.equal(file.size, 10 * 1024 * MIB);
    assert.ok(file.blocks * 512 < MIB);
    assert.equal(file.mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, 'volumes'))).mode & 0o777, 0o700);
  });

  it('makes new data beside a volume, puts them in its place or takes them away, however often it is asked', async () => {
    const volume = randomUUID();
    const text = async (): Promise<string> =>
      (await readFile(backend.devicePath(volume))).toString('utf8', 0, 3);
    const image = (content: string): ImageContent => ({
      id: volume,
      digest: null,
      open: (_atMost, work) =>
        work({ sizeBytes: 3, dataBytes: 3, writeTo: (path) => writeFile(path, content, { flag: 'r+' }) }),
    });
    await assert.rejects(backend.stage(volume, MIB, image('new')), { code: 'not-found' });
    await assert.rejects(backend.replace(volume), { code: 'not-found' });
    await backend.ensure(volume, MIB);
    await writeFile(backend.devicePath(volume), 'old', { flag: 'r+' });
    const names = () => readdir(join(folder, 'volumes'));
    for (const content of ['not', 'new']) await backend.stage(volume, MIB, image(content));
    assert.deepEqual([await text(), await names()], ['old', [`replacing-${volume}`, `volume-${volume}`]]);
    for (let time = 0; time < 2; time += 1) {
      await backend.replace(volume);
      assert.deepEqual([await text(), await names()], ['new', [`volume-${volume}`]]);
    }
    await backend.stage(volume, MIB, image('not'));
    await assert.rejects(backend.release(volume, 'mine'), { code: 'refused', message: /beside/ });
    for (let time = 0; time < 2; time += 1) await backend.unstage(volume);
    assert.deepEqual([await text(), await names()], ['new', [`volume-${volume}`]]);
    await backend.stage(volume, MIB, image('not'));
    await backend.absent(volume);
    assert.deepEqual(await names(), []);
  });

  it('keeps what is in a volume when it grows', async () => {
    const volume = randomUUID();
    await backend.ensure(volume, MIB);
    await writeFile(backend.devicePath(volume), 'kept', { flag: 'r+' });
    await backend.grow(volume, 2 * MIB);
    const bytes = await readFile(backend.devicePath(volume));
    assert.equal(bytes.subarray(0, 4).toString(), 'kept');
    assert.ok(bytes.subarray(4).every((byte) => byte === 0));
  });

  it('finishes what a crash between making the file and sizing it has left', async () => {
    const volume = randomUUID();
    await writeFile(backend.devicePath(volume), '');
    assert.equal(await backend.ensure(volume, MIB), MIB);
  });

  it('does not follow a symbolic link in a volume’s place', async () => {
    const volume = randomUUID();
    const elsewhere = join(folder, 'elsewhere');
    await writeFile(elsewhere, 'precious');
    await symlink(elsewhere, backend.devicePath(volume));
    await assert.rejects(backend.ensure(volume, MIB), { code: 'refused' });
    await assert.rejects(backend.grow(volume, MIB), { code: 'refused' });
    assert.equal(await backend.activate(volume), false);
    await backend.absent(volume);
    assert.equal(await readFile(elsewhere, 'utf8'), 'precious');
    assert.deepEqual(await readdir(join(folder, 'volumes')), []);
  });

  it('refuses a folder in a volume’s place', async () => {
    const volume = randomUUID();
    await mkdir(backend.devicePath(volume));
    await assert.rejects(backend.ensure(volume, MIB), { code: 'refused' });
  });

  it('says that a size is too big for good', async () => {
    await assert.rejects(backend.ensure(randomUUID(), Number.MAX_SAFE_INTEGER), { code: 'refused' });
  });

  describe('snapshots and copies', () => {
    const idle = async (): Promise<boolean> => false;
    const busy = async (): Promise<boolean> => true;
    const names = (): Promise<string[]> => readdir(join(folder, 'volumes'));
    const put = (volumeId: string, text: string) =>
      writeFile(backend.devicePath(volumeId), text, { flag: 'r+' });
    const start = async (volumeId: string): Promise<string> =>
      (await readFile(backend.devicePath(volumeId))).toString('latin1', 0, 6);

    it('keep what was there, at any size, and take space for data only', async () => {
      const [volume, snapshot, clone, copy] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
      await backend.ensure(volume, 64 * MIB);
      await put(volume, 'before');
      await backend.snapshot(volume, snapshot, idle);
      await put(volume, 'after!');
      await backend.snapshot(volume, snapshot, idle);
      for (let round = 0; round < 2; round += 1)
        assert.equal(
          await backend.ensure(clone, 128 * MIB, { kind: 'snapshot', snapshotId: snapshot }),
          128 * MIB,
        );
      await backend.ensure(copy, 64 * MIB, { kind: 'volume', volumeId: volume, inUse: idle });
      assert.deepEqual([await start(clone), await start(copy)], ['before', 'after!']);
      const { blocks, mode } = await stat(backend.devicePath(clone));
      assert.ok(blocks * 512 < MIB);
      assert.equal(mode & 0o777, 0o600);
      await backend.absent(volume);
      await backend.snapshotAbsent(snapshot);
      await backend.snapshotAbsent(snapshot);
      assert.deepEqual((await names()).toSorted(), [`volume-${clone}`, `volume-${copy}`].toSorted());
    });

    it('of what is in use are what was there at one moment, or refused', async function () {
      this.timeout(60_000);
      const [volume, snapshot] = [randomUUID(), randomUUID()];
      await backend.ensure(volume, MIB);
      const shares = await copyFile(
        backend.devicePath(volume),
        join(folder, 'x'),
        constants.COPYFILE_FICLONE_FORCE,
      ).then(
        () => true,
        () => false,
      );
      if (shares) this.skip();
      await put(volume, 'before');
      await backend.snapshot(volume, snapshot, busy);
      const shown = await readFile(join(folder, 'volumes', `snapshot-${snapshot}`));
      assert.equal(shown.toString('latin1', 0, 6), 'before');
      // Somebody writes whenever it is copied, for the first so many times.
      const written = async (times: number): Promise<Backend> =>
        createFileBackend(join(folder, 'volumes'), {
          async run(program, args, options) {
            const result = await systemRunner.run(program, args, options);
            if (times-- > 0) await put(volume, `${times}`.padStart(6, '0'));
            return result;
          },
        });
      const copy = (of: Backend, inUse: typeof busy, to: string) =>
        of.ensure(to, MIB, { kind: 'volume', volumeId: volume, inUse });
      const late = randomUUID();
      const refused = { code: 'refused', message: /in use/ };
      await assert.rejects(copy(await written(100), busy, late), refused);
      // Who was not there at first came while it was copied.
      await assert.rejects(copy(await written(100), idle, late), refused);
      assert.equal(await backend.activate(late), false);
      await copy(await written(2), busy, late);
      assert.equal(await start(late), '000000');
    });

    it('need their source', async () => {
      const missing = { name: 'TaskError', code: 'not-found' };
      const [volume, other] = [randomUUID(), randomUUID()];
      await assert.rejects(backend.snapshot(volume, other, idle), missing);
      await assert.rejects(backend.ensure(volume, MIB, { kind: 'snapshot', snapshotId: other }), missing);
      await assert.rejects(
        backend.ensure(volume, MIB, { kind: 'volume', volumeId: other, inUse: idle }),
        missing,
      );
      assert.deepEqual(await names(), []);
    });

    it('begin anew after a copy that was cut short', async () => {
      const [volume, clone] = [randomUUID(), randomUUID()];
      await backend.ensure(volume, MIB);
      await put(volume, 'source');
      await writeFile(join(folder, 'volumes', `filling-${clone}`), 'half of something longer');
      await backend.ensure(clone, MIB, { kind: 'volume', volumeId: volume, inUse: idle });
      assert.equal(await start(clone), 'source');
      await writeFile(join(folder, 'volumes', `filling-${clone}`), 'half');
      await backend.absent(clone);
      assert.deepEqual(await names(), [`volume-${volume}`]);
    });
  });
});
