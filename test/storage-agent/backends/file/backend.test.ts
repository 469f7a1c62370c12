import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
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
});
