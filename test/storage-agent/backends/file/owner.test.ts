import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { OWNER_MARK } from '#storage-agent/backends/file/owner.ts';
import { openBackend } from '../opened.ts';

describe('the owner of a folder of volumes', () => {
  let dir: string;
  let folder: string;
  let mark: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-owner-'));
    folder = join(dir, 'volumes');
    mark = join(folder, OWNER_MARK);
  });
  afterEach(() => rm(dir, { recursive: true }));

  const open = (host: string, path = folder): Promise<Backend> =>
    openBackend(`file:name=files,path=${path}`, systemRunner, { host, stateDir: join(dir, host) });

  it('is the host that first used it, whenever it starts again and by whichever path', async () => {
    await open('stor1');
    await symlink(folder, join(dir, 'linked'));
    await Promise.all([open('stor1'), open('stor1', join(dir, 'linked'))]);
    assert.deepEqual([await readlink(mark), await readdir(folder)], ['stor1', [OWNER_MARK]]);
    for (const path of [folder, join(dir, 'linked')])
      await assert.rejects(open('stor2', path), {
        message: `BLOCKYARD_BACKENDS: ${path} is the folder of storage host stor1, and this one is stor2; if stor1 has been renamed or is not to use it any more: ln -sfn stor2 ${path}/${OWNER_MARK}`,
      });
    assert.equal(await readlink(mark), 'stor1');
  });

  it('is one host only when several come at the same time', async () => {
    const hosts = Array.from({ length: 16 }, (_, index) => `stor${index}`);
    const opened = await Promise.allSettled(hosts.map((host) => open(host)));
    const winners = hosts.filter((_, index) => opened[index]?.status === 'fulfilled');
    assert.deepEqual(winners, [await readlink(mark)]);
  });

  it('is taken for a folder of before there were marks, and changes by hand', async () => {
    const volume = randomUUID();
    await mkdir(folder);
    await writeFile(join(folder, `volume-${volume}`), 'data');
    assert.equal(await (await open('stor1')).activate(volume), true);
    await systemRunner.run('ln', ['-sfn', 'stor2', mark]);
    assert.equal(await (await open('stor2')).activate(volume), true);
    await assert.rejects(open('stor1'), /storage host stor2/);
  });

  it('does not take an empty folder for the one that it has had, as where a disk is not mounted', async () => {
    await open('stor1');
    await rename(folder, join(dir, 'elsewhere'));
    for (let time = 0; time < 2; time += 1)
      await assert.rejects(open('stor1'), {
        message: `BLOCKYARD_BACKENDS: ${folder} is not the folder that this host has had, which was marked (is its disk mounted?); if it is to be used as it is: ln -sfn stor1 ${mark}`,
      });
    assert.deepEqual(await readdir(folder), []);
    // Mounted after all.
    await rm(folder, { recursive: true });
    await rename(join(dir, 'elsewhere'), folder);
    await open('stor1');
    // A new disk; and a new machine, which has no memory.
    await unlink(mark);
    await systemRunner.run('ln', ['-sfn', 'stor1', mark]);
    await open('stor1');
    await unlink(mark);
    await rm(join(dir, 'stor1'), { recursive: true });
    await open('stor1');
  });

  it('shows in no list, and cannot be made a volume nor overwritten by one', async () => {
    const backend = await open('stor1');
    const volume = randomUUID();
    assert.deepEqual(await backend.items(), []);
    await assert.rejects(backend.adopt(volume, OWNER_MARK, 1024 ** 3), { code: 'refused' });
    await backend.ensure(volume, 1024 ** 2);
    await assert.rejects(backend.release(volume, OWNER_MARK), { code: 'refused' });
    assert.equal(await readlink(mark), 'stor1');
  });

  it('is in doubt when something else has the mark’s name', async () => {
    await mkdir(folder);
    await writeFile(mark, 'stor1');
    await assert.rejects(
      open('stor1'),
      /\.blockyard-host must be a symbolic link to the name of the storage host/,
    );
  });
});
