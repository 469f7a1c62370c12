import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner } from '#agent/run.ts';
import type { Backend, ImageContent } from '#storage-agent/backends/backend.ts';
import { createLvmDoor, type LvmDoor } from '#storage-agent/backends/lvm/door.ts';
import { thick } from '#storage-agent/backends/lvm/provisioning.ts';
import { createShelf } from '#storage-agent/backends/lvm/shelf.ts';
import { openBackend } from '../opened.ts';
import { type Group, makeGroup } from './group.ts';

const MIB = 1024 ** 2;
const failed = (message: RegExp) => ({ name: 'TaskError', code: 'failed', message });

describe('a link to another device in a volume’s place, on real metadata', function () {
  this.timeout(60_000);
  let group: Group;
  before(async function () {
    const made = await makeGroup();
    if (made === null) this.skip();
    else group = made;
  });
  after(() => group?.[Symbol.asyncDispose]());
  afterEach(() => rm(`/dev/${group.name}`, { recursive: true, force: true }));

  const lead = async (name: string): Promise<void> => {
    await mkdir(`/dev/${group.name}`, { recursive: true });
    await symlink('/dev/null', `/dev/${group.name}/${name}`);
  };
  /** A backend behind whose back the link comes, after the first command of this name. */
  const misled = (program: string, name: string): Promise<Backend> => {
    let left = true;
    return openBackend(`lvm:name=a,vg=${group.name}`, {
      async run(command, args, options) {
        const result = await group.runner.run(command, args, options);
        if (command === program && left) await lead(name);
        if (command === program) left = false;
        return result;
      },
    });
  };
  const another = failed(/ leads to no logical volume, /);

  it('keeps it from being wiped', async () => {
    const volume = randomUUID();
    const [backend, gone] = [await misled('lvrename', `deleting-${volume}`), `/dev/${group.name}`];
    await backend.ensure(volume, 64 * MIB);
    for (let time = 0; time < 2; time += 1) await assert.rejects(backend.absent(volume), another);
    assert.deepEqual(group.wiped, []);
    await rm(gone, { recursive: true });
    await backend.absent(volume);
    assert.deepEqual(group.wiped, [`-z ${gone}/deleting-${volume}`]);
  });

  it('keeps it from being written, read and exported', async () => {
    const volume = randomUUID();
    const image: ImageContent = {
      id: volume,
      digest: null,
      open: (_atMost, work) =>
        work({ sizeBytes: MIB, dataBytes: MIB, writeTo: () => assert.fail('it is written') }),
    };
    const filling = await misled('lvcreate', `filling-${volume}`);
    await assert.rejects(filling.ensure(volume, 64 * MIB, { kind: 'image', image }), another);
    await rm(`/dev/${group.name}`, { recursive: true });
    const backend = await misled('lvcreate', `volume-${volume}`);
    await backend.ensure(volume, 64 * MIB);
    await assert.rejects(
      backend.read(
        volume,
        async () => false,
        () => assert.fail('it is read'),
      ),
      another,
    );
    await assert.rejects(backend.activate(volume), another);
    await rm(`/dev/${group.name}`, { recursive: true });
    assert.equal(await backend.activate(volume), true);
    await backend.absent(volume);
  });
});

/**
 * Where there is no device-mapper its files are planted, for a loop device that nobody opens. The lab has the kernel's own, and
 * links that lead to other volumes (test/lab/inside/lvm.ts).
 */
describe('the device of a logical volume, on planted files of device-mapper', () => {
  const group = `by-${randomBytes(4).toString('hex')}`;
  const [volume, groupUuid, volumeUuid] = ['volume-1', 'Aa1-b2', 'Cc3-d4'];
  const ID = 'LVM-Aa1b2Cc3d4';
  const NAME = `${group.replace('-', '--')}-volume--1`;
  const path = `/dev/${group}/${volume}`;
  let sysfs: string;
  let planted: string;
  let door: LvmDoor;
  const ran: string[] = [];
  const rows = [{ lv_name: volume, lv_size: '1', lv_tags: 'blockyard', lv_active: 'active' }].map((row) => ({
    ...row,
    vg_uuid: groupUuid,
    lv_uuid: volumeUuid,
  }));
  const runner: Runner = {
    async run(program, args) {
      if (program === 'pvs')
        return { exitCode: 0, stdout: '{"report":[{"pv":[{"pv_name":"/dev/sdb"}]}]}', stderr: '' };
      if (program === 'lvs')
        return { exitCode: 0, stdout: JSON.stringify({ report: [{ lv: rows }] }), stderr: '' };
      ran.push([program, args.at(-1)].join(' '));
      return { exitCode: 0, stdout: '', stderr: '' };
    },
  };
  const plant = async (name: string, id: string): Promise<void> => {
    await writeFile(join(planted, 'name'), `${name}\n`);
    await writeFile(join(planted, 'uuid'), `${id}\n`);
  };

  before(async function () {
    const numbers = await readFile('/sys/class/block/loop0/dev', 'utf8').catch(() => null);
    if (process.getuid?.() !== 0 || numbers === null) this.skip();
    sysfs = await mkdtemp(join(tmpdir(), 'by-sysfs-'));
    planted = join(sysfs, numbers.trim(), 'dm');
    await mkdir(planted, { recursive: true });
    await mkdir(`/dev/${group}`);
    await symlink('/dev/loop0', path);
    door = createLvmDoor(runner, group, sysfs);
  });
  after(async () => {
    await rm(`/dev/${group}`, { recursive: true, force: true });
    if (sysfs !== undefined) await rm(sysfs, { recursive: true });
  });

  it('is the one that has its name and its UUIDs', async () => {
    await plant(NAME, ID);
    assert.equal(await door.device(volume), path);
    assert.equal(await door.device(volume, ID), path);
    assert.equal(await door.idOf(volume), ID);
    await assert.rejects(door.device(volume, `${ID}x`), failed(/leads to/));
  });

  it('is none that has another name', async () => {
    for (const name of [`${group}-${volume}`, NAME.replace('volume', 'deleting'), `${NAME}-real`]) {
      await plant(name, ID);
      await assert.rejects(door.device(volume, ID), failed(new RegExp(` leads to ${name}, `)));
      assert.equal(await door.idOf(volume), null);
    }
  });

  it('is wiped and exported only when it is the one that LVM means', async () => {
    const shelf = createShelf(door, thick(door));
    const lv = (await shelf.find(volume)).named.get(volume);
    assert.ok(lv);
    await plant(NAME, `${ID}x`);
    await assert.rejects(shelf.wipe(lv), failed(/leads to/));
    await assert.rejects(shelf.ensureActive(volume), failed(/leads to/));
    assert.deepEqual(ran, []);
    await plant(NAME, ID);
    assert.equal(await shelf.ensureActive(volume), true);
    await shelf.wipe(lv);
    assert.deepEqual(ran, [`blkdiscard ${path}`, `lvremove ${group}/${volume}`]);
  });

  it('is not a disk that is none of device-mapper’s; what leads nowhere fails when it is opened', async () => {
    await rm(planted, { recursive: true });
    await assert.rejects(door.device(volume), failed(/leads to no logical volume/));
    await rm(path);
    assert.equal(await door.device(volume), path);
    assert.equal(await door.idOf(volume), null);
  });
});
