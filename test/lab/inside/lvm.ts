/** LVM for real: run by test/lab/lvm.test.ts inside the storage node, as root. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunOptions, systemRunner } from '#agent/run.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { Backend, Content } from '#storage-agent/backends/backend.ts';
import type { Images } from '#storage-agent/images/images.ts';
import { openImages } from '#storage-agent/images/open.ts';
import { type ImageDouble, startImageDouble } from '#test/storage-agent/images/double.ts';
import { type LabGroup, makeLabGroup } from './lvm-group.ts';

const MIB = 1024 ** 2;
const KEY = randomBytes(32).toString('hex');
const idle = async (): Promise<boolean> => false;
const busy = async (): Promise<boolean> => true;
const refused = (message: RegExp) => ({ name: 'TaskError', code: 'refused', message });

describe('LVM in the kernel', function () {
  this.timeout(300_000);
  this.slow(20_000);
  let group: LabGroup;
  before(async () => {
    group = await makeLabGroup();
  });
  after(() => group?.[Symbol.asyncDispose]());
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') assert.deepEqual(await left(), []);
    else for (const name of await left()) await group.run('lvremove', '-y', '-ff', `${group.name}/${name}`);
  });
  const left = (): Promise<string[]> => group.lvs('lv_name');

  const write = async (path: string, text: string, at = 0): Promise<void> => {
    await using file = await open(path, 'r+');
    await fill(file, text, at);
  };
  const read = async (path: string, length: number, at = 0): Promise<string> => {
    await using file = await open(path, 'r');
    return (await file.read(Buffer.alloc(length), 0, length, at)).buffer.toString('latin1');
  };
  const dataOf = async (name: string): Promise<number> => {
    const [line] = (await group.lvs('lv_name,data_percent')).filter((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ')[1]);
  };
  /** Whoever gets the disk's blocks can read this. */
  const onDisk = async (text: string): Promise<boolean> => {
    await group.run('sync');
    return group.run('grep', '-c', text, group.file).then(
      () => true,
      () => false,
    );
  };

  for (const kind of ['lvm', 'lvm-thin'] as const)
    describe(kind, () => {
      let backend: Backend;
      const made: string[] = [];
      const id = (): string => {
        made.push(randomUUID());
        return made.at(-1) ?? '';
      };
      before(async () => {
        backend = await group.open(kind);
      });

      it('makes, grows, snapshots, clones and removes with few programs', async () => {
        const [volume, snapshot, clone] = [id(), id(), id()];
        assert.equal(await group.count(() => backend.ensure(volume, 64 * MIB)), kind === 'lvm' ? 2 : 1 + 1);
        assert.equal(await group.count(() => backend.grow(volume, 128 * MIB)), 2);
        assert.equal(await group.count(() => backend.snapshot(volume, snapshot, busy)), 1);
        const content: Content = { kind: 'snapshot', snapshotId: snapshot };
        const cloning = await group.count(() => backend.ensure(clone, 128 * MIB, content));
        assert.equal(cloning, kind === 'lvm' ? 4 : 2, group.commands.join('\n'));
        assert.equal(await group.count(() => backend.absent(clone)), 4);
        const forgetting = await group.count(() => backend.snapshotAbsent(snapshot));
        assert.ok(forgetting <= 6, group.commands.join('\n'));
        assert.equal(await group.count(() => backend.absent(volume)), 4);
      });

      it('asks LVM about a volume to be exported only when its device is not the one that is known', async () => {
        const volume = id();
        const full = `${group.name}/volume-${volume}`;
        await backend.ensure(volume, 16 * MIB);
        assert.equal(await group.count(() => backend.activate(volume)), 0);
        // Another agent, or this one after a restart.
        const another = await group.open(kind);
        assert.equal(await group.count(() => another.activate(volume)), 2, 'pvs, lvs');
        assert.equal(await group.count(() => another.activate(volume)), 0);
        await group.run('lvchange', '-an', full);
        assert.equal(await group.count(() => backend.activate(volume)), 2, 'lvs, lvchange');
        await read(backend.devicePath(volume), 1);
        await backend.absent(volume);
        assert.equal(await backend.activate(volume), false);
        // The same name, and not ours.
        const size = kind === 'lvm' ? ['-L', '16m'] : ['-V', '16m', '--thinpool', 'pool'];
        await group.run('lvcreate', '-y', '-n', `volume-${volume}`, ...size, group.name);
        await assert.rejects(backend.activate(volume), refused(/not ours/));
        await assert.rejects(another.activate(volume), refused(/not ours/));
        await group.run('lvremove', '-y', full);
      });

      it('takes no other volume, to which a link leads in its place, for the one to be exported, read or wiped', async () => {
        const [volume, other] = [id(), id()];
        for (const each of [volume, other]) await backend.ensure(each, 16 * MIB);
        await write(backend.devicePath(other), 'theirs');
        const mine = backend.devicePath(volume);
        const [right, wrong] = [await realpath(mine), await realpath(backend.devicePath(other))];
        const lead = (from: string, to: string): Promise<string> => group.run('ln', '-sfn', to, from);
        const elsewhere = { name: 'TaskError', code: 'failed', message: / leads to / };
        await lead(mine, wrong);
        for (const each of [backend, await group.open(kind)])
          await assert.rejects(each.activate(volume), elsewhere);
        await assert.rejects(
          backend.read(volume, idle, () => assert.fail('it is read')),
          elsewhere,
        );
        await lead(mine, right);
        assert.equal(await backend.activate(volume), true);
        const leaving = group.path(`deleting-${volume}`);
        const misled = await group.open(kind, '', {
          async run(program, args, options) {
            const result = await systemRunner.run(program, args, options);
            if (program === 'lvrename') await lead(leaving, wrong);
            return result;
          },
        });
        await assert.rejects(misled.absent(volume), elsewhere);
        await lead(leaving, right);
        assert.equal(await read(backend.devicePath(other), 6), 'theirs');
        for (const each of [volume, other]) await backend.absent(each);
      });

      it('keeps a snapshot as it was, and makes volumes of any size from it', async () => {
        const [volume, snapshot, same, larger] = [id(), id(), id(), id()];
        const [least, most] = [16 * MIB, 32 * MIB];
        await backend.ensure(volume, least);
        await write(backend.devicePath(volume), 'before');
        await backend.snapshot(volume, snapshot, busy);
        await write(backend.devicePath(volume), 'after!');
        await backend.snapshot(volume, snapshot, busy);
        const content: Content = { kind: 'snapshot', snapshotId: snapshot };
        assert.equal(await backend.ensure(same, least, content), least);
        assert.equal(await backend.ensure(larger, most, content), most);
        for (const each of [same, larger]) {
          assert.equal(await read(backend.devicePath(each), 6), 'before');
          assert.equal(await read(backend.devicePath(each), 6, MIB), '\0'.repeat(6));
        }
        assert.equal(await read(backend.devicePath(larger), 6, most - 6), '\0'.repeat(6));
        await write(backend.devicePath(same), 'own...');
        assert.equal(await backend.ensure(same, least, content), least);
        assert.equal(await read(backend.devicePath(same), 6), 'own...');
        assert.equal(await read(backend.devicePath(larger), 6), 'before');
        assert.equal(await read(backend.devicePath(volume), 6), 'after!');
        await backend.snapshotAbsent(snapshot);
        await backend.snapshotAbsent(snapshot);
        for (const each of [volume, same, larger]) await backend.absent(each);
      });

      it('copies a volume that is being written, as it is at one moment', async () => {
        const [volume, clone] = [id(), id()];
        await backend.ensure(volume, 32 * MIB);
        await write(backend.devicePath(volume), 'before');
        await using held = await open(backend.devicePath(volume), 'r+');
        await backend.ensure(clone, 64 * MIB, { kind: 'volume', volumeId: volume, inUse: busy });
        assert.equal(await read(backend.devicePath(clone), 6), 'before');
        await backend.read(volume, busy, async (path, sizeBytes) => {
          assert.equal(sizeBytes, 32 * MIB);
          assert.notEqual(path, backend.devicePath(volume));
          await fill(held, 'after!');
          assert.equal(await read(path, 6), 'before');
        });
        await backend.read(volume, idle, async (path) => {
          assert.equal(path, backend.devicePath(volume));
          assert.equal(await read(path, 6), 'after!');
        });
        await held.close();
        await backend.absent(volume);
        assert.equal(await read(backend.devicePath(clone), 6), 'before');
        await backend.absent(clone);
      });

      it('says not-found for sources that are not there', async () => {
        const nothing = { name: 'TaskError', code: 'not-found' };
        const volume = id();
        await assert.rejects(backend.snapshot(id(), id(), idle), nothing);
        await assert.rejects(backend.ensure(volume, MIB, { kind: 'snapshot', snapshotId: id() }), nothing);
        await assert.rejects(
          backend.ensure(volume, MIB, { kind: 'volume', volumeId: id(), inUse: idle }),
          nothing,
        );
        await assert.rejects(
          backend.read(id(), idle, async () => {}),
          nothing,
        );
      });

      it('leaves nothing of a volume on the disk, nor of its snapshots', async () => {
        if (kind === 'lvm-thin') return;
        const [volume, snapshot] = [id(), id()];
        const [old, young] = [randomUUID(), randomUUID()];
        await backend.ensure(volume, 64 * MIB);
        await write(backend.devicePath(volume), old, 40 * MIB);
        await backend.snapshot(volume, snapshot, busy);
        await write(backend.devicePath(volume), young, 40 * MIB);
        assert.deepEqual([await onDisk(old), await onDisk(young)], [true, true]);
        await backend.snapshotAbsent(snapshot);
        assert.deepEqual([await onDisk(old), await onDisk(young)], [false, true]);
        await backend.absent(volume);
        assert.deepEqual([await onDisk(old), await onDisk(young)], [false, false]);
      });

      it('takes no notice of what a guest has made of its volume, even by the group’s own name', async () => {
        const [volume, other] = [id(), id()];
        await backend.ensure(volume, 32 * MIB);
        await using disk = await open(join(group.folder, 'guest'), 'w+');
        await disk.truncate(32 * MIB);
        const loop = (await group.run('losetup', '--find', '--show', join(group.folder, 'guest'))).trim();
        // Another folder than /dev, where the group's name is taken.
        const apart = [
          '--devices',
          loop,
          '--driverloaded',
          'n',
          '--config',
          `devices{dir="${group.folder}/"}`,
        ];
        await group.run('vgcreate', ...apart, '-y', group.name, loop);
        const inner = ['-y', '-Wn', '-Zn', '-L', '4m', '-n', `volume-${other}`, '--addtag', 'blockyard'];
        await group.run('lvcreate', ...apart, ...inner, group.name);
        await group.run('losetup', '--detach', loop);
        await group.run(
          'dd',
          `if=${group.folder}/guest`,
          `of=${backend.devicePath(volume)}`,
          'bs=1M',
          'conv=fsync',
        );
        // A host that is set up to look into its volumes.
        const careless = join(group.folder, 'lvm');
        await mkdir(careless, { recursive: true });
        await writeFile(join(careless, 'lvm.conf'), 'devices {\n scan_lvs = 1\n}\n');
        const fresh = await group.open(kind, '', {
          run: (program, args, options) =>
            systemRunner.run(program, args, {
              ...options,
              env: { ...options?.env, LVM_SYSTEM_DIR: careless },
            }),
        });
        assert.equal(await fresh.activate(other), false);
        assert.equal(await fresh.ensure(other, 32 * MIB), 32 * MIB);
        assert.ok((await fresh.capacity()).freeGib > 0);
        await fresh.absent(other);
        await fresh.absent(volume);
      });

      /** After which program the agent dies; before one is after the one before. */
      const cuts =
        kind === 'lvm' ? (['lvcreate 2', 'lvrename 1', 'lvconvert 1'] as const) : (['lvcreate 1'] as const);
      for (const cut of cuts)
        it(`ends with whole volumes although it dies after ${cut}`, async () => {
          const [source, snapshot, clone] = [id(), id(), id()];
          const content: Content = { kind: 'volume', volumeId: source, inUse: busy };
          await backend.ensure(source, 16 * MIB);
          await write(backend.devicePath(source), 'source');
          const seen: string[] = [];
          const dying = await group.open(kind, '', {
            async run(program: string, args: readonly string[], options?: RunOptions) {
              if (seen.includes(cut)) throw new Error('dead');
              const result = await systemRunner.run(program, args, options);
              seen.push(`${program} ${seen.filter((each) => each.startsWith(`${program} `)).length + 1}`);
              if (seen.includes(cut)) throw new Error('dies');
              return result;
            },
          });
          const attempt = async (work: () => Promise<unknown>): Promise<void> => {
            seen.length = 0;
            await work().catch(() => {});
          };
          await attempt(() => dying.ensure(clone, 32 * MIB, content));
          if (await backend.activate(clone)) assert.equal(await read(backend.devicePath(clone), 6), 'source');
          // What is given up is removed; what is asked for again is made.
          if (cut.endsWith('1')) {
            await backend.ensure(clone, 32 * MIB, content);
            assert.equal(await read(backend.devicePath(clone), 6), 'source');
          }
          await backend.absent(clone);
          await backend.snapshot(source, snapshot, busy);
          await attempt(() => dying.snapshotAbsent(snapshot));
          await backend.snapshotAbsent(snapshot);
          assert.deepEqual(await left(), [`volume-${source}`]);
          await attempt(() => dying.absent(source));
          await backend.absent(source);
        });
    });

  describe('lvm, with snapshots', () => {
    it('refuses to remove, and to grow while it is open, a volume that has snapshots', async () => {
      const backend = await group.open('lvm');
      const [volume, snapshot] = [randomUUID(), randomUUID()];
      await backend.ensure(volume, 32 * MIB);
      await write(backend.devicePath(volume), 'before');
      await backend.snapshot(volume, snapshot, idle);
      await assert.rejects(backend.absent(volume), refused(/has snapshots/));
      const holder = await open(backend.devicePath(volume), 'r+');
      await assert.rejects(backend.grow(volume, 64 * MIB), refused(/only while it is not in use/));
      await fill(holder, 'after!');
      await holder.close();
      assert.equal(await backend.grow(volume, 64 * MIB), 64 * MIB);
      assert.equal(await read(backend.devicePath(volume), 6), 'after!');
      assert.equal(await read(group.path(`_snapshot-${snapshot}`), 6), 'before');
      await backend.snapshotAbsent(snapshot);
      await backend.absent(volume);
    });

    it('survives being overwritten as a whole', async () => {
      const backend = await group.open('lvm');
      const [volume, snapshot] = [randomUUID(), randomUUID()];
      await backend.ensure(volume, 32 * MIB);
      await backend.snapshot(volume, snapshot, idle);
      await using holder = await open(backend.devicePath(volume), 'r+');
      for (let at = 0; at < 32; at += 1) await holder.write(Buffer.alloc(MIB, 'x'), 0, MIB, at * MIB);
      await holder.sync();
      await holder.close();
      assert.equal(await read(group.path(`_snapshot-${snapshot}`), 4, 31 * MIB), '\0\0\0\0');
      await backend.snapshotAbsent(snapshot);
      await backend.absent(volume);
    });

    it('refuses what there is no room for', async () => {
      const backend = await group.open('lvm');
      const [volume, clone] = [randomUUID(), randomUUID()];
      await backend.ensure(volume, 1024 * MIB);
      await assert.rejects(backend.snapshot(volume, randomUUID(), idle), refused(/no space/));
      await assert.rejects(
        backend.ensure(clone, 1024 * MIB, { kind: 'volume', volumeId: volume, inUse: idle }),
        refused(/no space/),
      );
      await backend.absent(clone);
      await backend.absent(volume);
    });
  });

  describe('images', () => {
    let service: ImageDouble;
    let images: Images;
    let packed: string;
    const disk = Buffer.concat([
      Buffer.alloc(2 * MIB, 'begin '),
      Buffer.alloc(20 * MIB),
      Buffer.alloc(2 * MIB, 'end...'),
    ]);
    before(async () => {
      service = await startImageDouble(KEY);
      const config = {
        imageService: { url: service.url, account: null },
        imageDir: join(group.folder, 'images'),
        host: asId<HostName>('storage'),
        keys: KEY,
      };
      const opened = openImages(config, group.runner);
      assert.ok(opened !== undefined);
      images = opened;
      const raw = join(group.folder, 'raw');
      packed = join(group.folder, 'packed');
      await using file = await open(raw, 'w');
      await file.writeFile(disk);
      await group.run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', '-c', raw, packed);
    });
    after(() => service?.[Symbol.asyncDispose]());

    const store = async (format: 'raw' | 'qcow2', data?: Buffer): Promise<Content> => {
      const id = randomUUID();
      await using file = await open(packed);
      service.data.set(id, data ?? (format === 'raw' ? disk : await file.readFile()));
      service.fetched.length = 0;
      return {
        kind: 'image',
        image: images.content(service.source(id, format), new AbortController().signal),
      };
    };
    const isTheDisk = async (path: string): Promise<void> => {
      await using file = await open(path, 'r');
      const { buffer } = await file.read(Buffer.alloc(disk.length), 0, disk.length, 0);
      assert.equal(buffer.compare(disk), 0);
    };
    const imageLvs = async (): Promise<string[]> =>
      (await left()).filter((name) => name.startsWith('image-'));

    it('thick: are written whole, over whatever the disk held', async () => {
      const backend = await group.open('lvm');
      const dirty = randomUUID();
      await backend.ensure(dirty, 64 * MIB);
      await using file = await open(backend.devicePath(dirty), 'r+');
      await file.write(Buffer.alloc(64 * MIB, 'x'), 0, 64 * MIB, 0);
      await file.close();
      for (const format of ['raw', 'qcow2'] as const) {
        // Not wiped: as a disk is before its first use.
        if (format === 'raw') await group.run('lvremove', '-y', `${group.name}/volume-${dirty}`);
        const volume = randomUUID();
        await backend.ensure(volume, 32 * MIB, await store(format));
        await isTheDisk(backend.devicePath(volume));
        await backend.absent(volume);
      }
    });

    it('thin without a cache: take space for data only', async () => {
      const backend = await group.open('lvm-thin', ',image_cache_count=0');
      for (const format of ['raw', 'qcow2'] as const) {
        const volume = randomUUID();
        await backend.ensure(volume, 64 * MIB, await store(format));
        await isTheDisk(backend.devicePath(volume));
        assert.ok((await dataOf(`volume-${volume}`)) < 8, String(await dataOf(`volume-${volume}`)));
        assert.deepEqual(await imageLvs(), []);
        await backend.absent(volume);
      }
    });

    it('thin: are fetched once, and volumes from them cost one or two programs', async () => {
      const backend = await group.open('lvm-thin');
      const content = await store('qcow2');
      const volumes = Array.from({ length: 5 }, () => randomUUID());
      const [a = '', b = '', c = '', d = '', e = ''] = volumes;
      await Promise.all([a, b].map((volume) => backend.ensure(volume, 64 * MIB, content)));
      assert.equal(service.fetched.length, 1);
      await isTheDisk(backend.devicePath(a));
      await isTheDisk(backend.devicePath(b));
      assert.equal(await group.count(() => backend.ensure(c, 64 * MIB, content)), 2);
      assert.equal(await group.count(() => backend.ensure(d, 24 * MIB, content)), 1);
      const restarted = await group.open('lvm-thin');
      await restarted.ensure(e, 64 * MIB, content);
      await assert.rejects(restarted.ensure(randomUUID(), 16 * MIB, content), { code: 'invalid' });
      assert.equal(service.fetched.length, 1);
      await forget();
      await isTheDisk(backend.devicePath(e));
      for (const volume of volumes) await backend.absent(volume);
    });

    const forget = async (): Promise<void> => {
      for (const name of await imageLvs()) await group.run('lvremove', '-y', `${group.name}/${name}`);
    };

    it('give way to newer ones, the least used first, and break no volume', async () => {
      const backend = await group.open('lvm-thin', ',image_cache_count=2');
      const [a, b, c] = [await store('raw'), await store('qcow2'), await store('raw')];
      const volumes = Array.from({ length: 4 }, () => randomUUID());
      const nameOf = (content: Content): string =>
        `image-${content.kind === 'image' ? content.image.id : ''}`;
      for (const [index, content] of [a, b, a, c].entries())
        await backend.ensure(volumes[index] ?? '', 64 * MIB, content);
      assert.deepEqual((await imageLvs()).toSorted(), [nameOf(a), nameOf(c)].toSorted());
      for (const volume of volumes) await isTheDisk(backend.devicePath(volume));
      for (const volume of volumes) await backend.absent(volume);
      const small = await group.open('lvm-thin', ',image_cache_gib=0.01');
      await small.ensure(volumes[0] ?? '', 64 * MIB, b);
      assert.ok(!(await imageLvs()).includes(nameOf(b)));
      await small.absent(volumes[0] ?? '');
      await forget();
    });

    it('are let go when the image service has them no longer, and break no volume', async () => {
      const backend = await group.open('lvm-thin');
      const [gone, kept] = [await store('raw'), await store('raw')];
      const volumes = [randomUUID(), randomUUID()];
      await backend.ensure(volumes[0] ?? '', 64 * MIB, gone);
      await backend.ensure(volumes[1] ?? '', 64 * MIB, kept);
      assert.ok(gone.kind === 'image' && kept.kind === 'image');
      await backend.forgetImages?.(async (id) => id === gone.image.id);
      assert.deepEqual(await imageLvs(), [`image-${kept.image.id}`]);
      await isTheDisk(backend.devicePath(volumes[0] ?? ''));
      for (const volume of volumes) await backend.absent(volume);
      await forget();
    });

    it('are fetched again when the data have changed', async () => {
      const backend = await group.open('lvm-thin');
      const content = await store('raw');
      assert.ok(content.kind === 'image');
      const volumes = [randomUUID(), randomUUID()];
      await backend.ensure(volumes[0] ?? '', 64 * MIB, content);
      service.data.set(content.image.id, Buffer.alloc(MIB, 'other '));
      const changed = images.content(service.source(content.image.id, 'raw'), new AbortController().signal);
      await backend.ensure(volumes[1] ?? '', 64 * MIB, { kind: 'image', image: changed });
      await isTheDisk(backend.devicePath(volumes[0] ?? ''));
      assert.equal(await read(backend.devicePath(volumes[1] ?? ''), 6), 'other ');
      assert.equal((await imageLvs()).length, 1);
      for (const volume of volumes) await backend.absent(volume);
      await forget();
    });

    it('are refused by a pool that has no room for them, after cached ones have gone', async () => {
      const backend = await group.open('lvm-thin');
      const [volume, last] = [randomUUID(), randomUUID()];
      const content = await store('raw');
      await backend.ensure(last, 64 * MIB, content);
      await backend.absent(last);
      assert.equal((await imageLvs()).length, 1);
      await backend.ensure(volume, 2048 * MIB);
      await using file = await open(backend.devicePath(volume), 'r+');
      for (let at = 0; at < 495; at += 33)
        await file.write(Buffer.alloc(33 * MIB, 'x'), 0, 33 * MIB, at * MIB);
      await file.sync();
      await assert.rejects(backend.ensure(last, 64 * MIB, await store('raw')), refused(/no space/));
      assert.deepEqual(await imageLvs(), []);
      // The pool is full now, as a guest can make it.
      await file.write(Buffer.alloc(24 * MIB, 'x'), 0, 24 * MIB, 495 * MIB).catch(() => {});
      await file.sync().catch(() => {});
      await assert.rejects(backend.ensure(last, 64 * MIB), refused(/no space/));
      await assert.rejects(backend.snapshot(volume, randomUUID(), busy), refused(/no space/));
      assert.ok((await backend.capacity()).freeGib < 0.01);
      await file.close().catch(() => {});
      await backend.absent(volume);
      assert.ok((await backend.capacity()).freeGib > 0.4);
      await backend.ensure(last, 64 * MIB, content);
      await isTheDisk(backend.devicePath(last));
      await backend.absent(last);
      await forget();
    });
  });
});

async function fill(file: FileHandle, text: string, at = 0): Promise<void> {
  await file.write(text, at, 'latin1');
  await file.sync();
}
