import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProgramError } from '#agent/program-error.ts';
import { type Runner, systemRunner } from '#agent/run.ts';
import { TaskError } from '#schema/tasks.ts';
import { contentOfBackup } from '#storage-agent/backups/content.ts';
import { type Backups, openBackups } from '#storage-agent/backups/open.ts';
import { createRestic } from '#storage-agent/backups/restic.ts';
import { type BackupStore, openBackupStore } from '#storage-agent/backups/store.ts';

type Ran = Awaited<ReturnType<Runner['run']>>;

const MIB = 1024 ** 2;
const SIZE = 40 * MIB;
const PASSWORD = 'a password that is long enough';
const { signal } = new AbortController();

/** What restic really does: nothing here stands in for it. */
describe('a store of backups', function () {
  this.timeout(300_000);
  let folder: string;
  let store: BackupStore;
  let id: string;
  let disk: string;
  const repository = randomUUID();
  const dataOf = (dataId: string) => ({ store: id, repository, dataId });
  const openStore = (host: string, at = 'store', password = PASSWORD): BackupStore =>
    openBackupStore({
      config: { place: join(folder, at), password },
      runner: systemRunner,
      stateDir: join(folder, host),
    });
  const restic = () =>
    createRestic(systemRunner, (name) => join(folder, 'store', name), { password: PASSWORD });
  const NAME = `volume-${repository}`;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-backups-'));
    for (const name of ['store', 'host-a', 'host-b']) await mkdir(join(folder, name));
    store = openStore('host-a');
    id = await store.id();
    disk = await newDisk();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const newDisk = async (): Promise<string> => {
    const path = join(folder, `disk-${randomUUID()}`);
    await writeFile(path, '');
    await truncate(path, SIZE);
    return path;
  };
  const write = async (path: string, data: Buffer, at: number): Promise<void> => {
    await using file = await open(path, 'r+');
    await file.write(data, 0, data.length, at);
  };
  const copyOf = async (path: string): Promise<string> => {
    const copy = join(folder, `copy-${randomUUID()}`);
    await cp(path, copy);
    return copy;
  };
  const assertSame = async (one: string, other: string): Promise<void> =>
    assert.ok((await readFile(one)).equals(await readFile(other)), 'byte for byte the same');
  const stored = async (): Promise<number> => {
    const { stdout } = await systemRunner.run('du', ['-s', '-b', join(folder, 'store', NAME, 'data')]);
    return Number(stdout.split('\t')[0]);
  };
  const backUp = (dataId: string) => store.ensure(dataOf(dataId), { path: disk, sizeBytes: SIZE }, signal);
  const restore = async (dataId: string, zeroed: boolean): Promise<string> => {
    const path = await newDisk();
    if (!zeroed) await write(path, randomBytes(SIZE), 0);
    const content = contentOfBackup(store, dataOf(dataId), signal);
    await content.open(SIZE, (opened) => opened.writeTo(path, zeroed));
    return path;
  };
  const idsOf = async (dataId: string): Promise<string[]> =>
    ((await restic().list(NAME)) ?? [])
      .filter(({ tags }) => tags.includes(`backup-${dataId}`))
      .map((each) => each.id);
  const packs = async (): Promise<string[]> => {
    const data = join(folder, 'store', NAME, 'data');
    const found = await readdir(data, { recursive: true, withFileTypes: true });
    return found.filter((each) => each.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  };
  const [full, increment, third] = [randomUUID(), randomUUID(), randomUUID()];
  let first: string;
  let second: string;

  it('keeps what changed, once, and leaves what is there', async () => {
    await write(disk, randomBytes(3 * MIB), 5 * MIB);
    await write(disk, randomBytes(MIB), SIZE - MIB);
    first = await copyOf(disk);
    assert.ok((await backUp(full)) > 1);
    const before = await stored();
    assert.ok(before > 4 * MIB && before < 7 * MIB, `${before} bytes for 4 MiB of data`);
    await backUp(full);
    assert.equal(await stored(), before);
    await write(disk, randomBytes(MIB), 20 * MIB);
    second = await copyOf(disk);
    await backUp(increment);
    const added = (await stored()) - before;
    // Pieces are of a MiB and more: what surrounds the change goes with it.
    assert.ok(added > MIB && added < 12 * MIB, `${added} bytes for 1 MiB of change`);
  });

  it('gives each back byte for byte: sparsely where there are zeroes, over other data where there are not', async () => {
    const sparse = await restore(full, true);
    await assertSame(sparse, first);
    assert.ok((await stat(sparse)).blocks * 512 < 5 * MIB);
    await assertSame(await restore(increment, false), second);
    await assert.rejects(
      contentOfBackup(store, dataOf(full), signal).open(SIZE - 1, async () => undefined),
      /larger than the volume/,
    );
  });

  it('is known as soon as its host starts again, until it is seen to be away', async () => {
    const start = async (at: string, runner: Runner): Promise<Backups> =>
      openBackups(
        { place: join(folder, at), password: PASSWORD },
        { runner, stateDir: join(folder, 'host-a'), log: () => undefined },
        () => undefined,
      );
    const gate = Promise.withResolvers<void>();
    const slow: Runner = {
      ...systemRunner,
      run: async (...args) => {
        await gate.promise;
        return systemRunner.run(...args);
      },
    };
    const again = await start('store', slow);
    assert.equal(again.found(), id);
    again.stop();
    gate.resolve();

    const elsewhere = await start('not-mounted', systemRunner);
    assert.equal(elsewhere.found(), id);
    while (elsewhere.found() !== undefined) await sleep(20);
    elsewhere.stop();
  });
  it('is found from another host that has it, and from no host that has another', async () => {
    const other = openStore('host-b');
    assert.equal(await other.id(), id);
    assert.equal((await other.find(dataOf(full))).sizeBytes, SIZE);
    await assert.rejects(other.find({ ...dataOf(full), store: 'other' }), /in another store/);
    await assert.rejects(other.find(dataOf(randomUUID())), /not in the store/);
    await assert.rejects(openStore('host-b', 'store', 'another password than that').id(), /another password/);
  });

  it('is not taken for another: a folder over which nothing is mounted', async () => {
    await mkdir(join(folder, 'unmounted'));
    await assert.rejects(openStore('host-b', 'unmounted').id(), /is it mounted/);
    assert.deepEqual(await readdir(join(folder, 'unmounted')), []);
    await assert.rejects(openStore('host-b', 'missing').id(), /not a folder/);
  });

  it('makes anew what was cut short', async () => {
    const part = join(folder, 'part');
    await writeFile(part, '');
    await truncate(part, 5 * MIB);
    await using file = await open(part);
    await restic().save(NAME, `backup-${third}`, { fd: file.fd }, signal);
    await backUp(third);
    const ids = await idsOf(third);
    assert.equal(ids.length, 1);
    assert.equal(await restic().sizeOf(NAME, ids[0] ?? ''), SIZE);
  });

  /** Locks that are one: restic writes each under another name first, and whoever dies then has locked nothing. */
  const locks = async (): Promise<string[]> =>
    (await readdir(join(folder, 'store', NAME, 'locks'))).filter((name) => !name.includes('-tmp-'));

  it('waits for no lock that somebody dead has left', async () => {
    const zero = await open('/dev/zero');
    const dying = new AbortController();
    const held = restic()
      .save(NAME, 'nobody', { fd: zero.fd }, dying.signal)
      .catch(() => undefined);
    while ((await locks()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    dying.abort();
    await held;
    await zero.close();
    assert.equal((await locks()).length, 1);
    await store.absent(dataOf(third), signal);
    assert.deepEqual(await locks(), []);
  });

  it('stops reading when its time is up, and says so only then', async () => {
    const slow = join(folder, 'slow');
    await systemRunner.run('mkfifo', [slow]);
    const impatient = openBackupStore({
      config: { place: join(folder, 'store'), password: PASSWORD },
      runner: systemRunner,
      stateDir: join(folder, 'host-a'),
      saveWithinMs: () => 2_000,
    });
    const late = randomUUID();
    const [saving, writer] = await Promise.all([
      Promise.allSettled([impatient.ensure(dataOf(late), { path: slow, sizeBytes: SIZE }, signal)]),
      open(slow, 'w'),
    ]);
    assert.match(String(saving[0].status === 'rejected' && saving[0].reason), /not backed up within 2 s/);
    await assert.rejects(writer.write('x'), { code: 'EPIPE' });
    await writer.close();
    await store.absent(dataOf(late), signal);
  });

  describe('that another host works with', () => {
    const [one, other] = [randomUUID(), randomUUID()];
    /** A backup of one host's that goes on until its disk has said all. */
    async function underWay(dataId: string, bytes: number) {
      const path = join(folder, `pipe-${dataId}`);
      await systemRunner.run('mkfifo', [path]);
      const data = randomBytes(bytes);
      const saving = Promise.allSettled([
        store.ensure(dataOf(dataId), { path, sizeBytes: bytes }, signal),
      ]).then(([end]) => end);
      const writer = await open(path, 'w');
      await writer.write(data, 0, bytes - MIB);
      while ((await locks()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      return {
        data,
        ends: async () => {
          await writer.write(data, bytes - MIB, MIB);
          await writer.close();
          return saving;
        },
      };
    }

    it('removes nothing while that one saves', async () => {
      await backUp(other);
      const { data, ends } = await underWay(one, 24 * MIB);
      const held = await locks();
      let removed = false;
      const removing = openStore('host-b')
        .absent(dataOf(other), signal)
        .then(() => {
          removed = true;
        });
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      assert.equal(removed, false);
      assert.ok((await locks()).includes(held[0] ?? ''), 'a lock whose owner lives is left');
      assert.equal((await ends()).status, 'fulfilled');
      await removing;
      const path = join(folder, 'restored');
      await writeFile(path, '');
      await contentOfBackup(store, dataOf(one), signal).open(data.length, (opened) =>
        opened.writeTo(path, true),
      );
      assert.ok((await readFile(path)).equals(data));
      await assert.rejects(store.find(dataOf(other)), /not in the store/);
    });

    it('tells when that one took it for dead and removed what it had saved so far', async () => {
      const late = randomUUID();
      const { ends } = await underWay(late, 96 * MIB);
      const folderOf = (name: string): string => join(folder, 'store', NAME, name);
      const [lock] = await locks();
      // As after half an hour in which it stood still.
      await rename(join(folderOf('locks'), lock ?? ''), join(folder, 'lock'));
      const before = await stored();
      await restic().remove(NAME, [], 60_000);
      assert.ok((await stored()) < before, 'it had saved some');
      await rename(join(folder, 'lock'), join(folderOf('locks'), lock ?? ''));
      const end = await ends();
      assert.match(String(end.status === 'rejected' && end.reason), /pieces of the backup have gone/);
      await assert.rejects(store.find(dataOf(late)), /not in the store/);
      await backUp(late);
      await assertSame(await restore(late, true), disk);
      for (const each of [late, one]) await store.absent(dataOf(each), signal);
    });
  });

  describe('what is checked', () => {
    /** A store whose checks go through this. */
    const checkedBy = (check: (args: readonly string[], really: () => Promise<Ran>) => Promise<Ran>) =>
      openBackupStore({
        config: { place: join(folder, 'store'), password: PASSWORD },
        stateDir: join(folder, 'host-a'),
        runner: {
          run: (program, args, options) => {
            const really = (): Promise<Ran> => systemRunner.run(program, args, options);
            return args.includes('check') ? check(args, really) : really();
          },
        },
      });
    /** While this goes on, the repository lacks a piece, or has one cut short. */
    const lacking = async <T>(
      damage: (pack: string) => Promise<void>,
      work: () => Promise<T>,
    ): Promise<T> => {
      const [pack = ''] = await packs();
      await cp(pack, join(folder, 'pack'));
      await damage(pack);
      try {
        return await work();
      } finally {
        await rm(pack, { force: true });
        await rename(join(folder, 'pack'), pack);
      }
    };
    const [older, made] = [randomUUID(), randomUUID()];
    const ensure = (by: BackupStore) => by.ensure(dataOf(made), { path: disk, sizeBytes: SIZE }, signal);

    before(() => backUp(older));

    it('once more with a lock: what lacks only while another host prunes is whole', async () => {
      const checks: boolean[] = [];
      const racing = checkedBy((args, really) => {
        const unlocked = args.includes('--no-lock');
        checks.push(unlocked);
        return unlocked ? lacking((pack) => rm(pack), really) : really();
      });
      await ensure(racing);
      assert.deepEqual(checks, [true, false, true, false], 'before it is made, and after');
      const [before] = await idsOf(made);
      await ensure(racing);
      assert.deepEqual(await idsOf(made), [before], 'left as it is');
    });

    it('is no damage when the connection is cut meanwhile', async () => {
      const [before] = await idsOf(made);
      const cut = checkedBy(() =>
        Promise.reject(
          new ProgramError({
            program: 'setpriv',
            args: [],
            exitCode: 1,
            signal: undefined,
            timedOut: false,
            code: undefined,
            stdout: '',
            stderr: 'Load(<index/0123456789>): unexpected EOF',
          }),
        ),
      );
      await assert.rejects(ensure(cut), (error) => !(error instanceof TaskError));
      assert.deepEqual(await idsOf(made), [before]);
      await store.absent(dataOf(made), signal);
    });

    it('before more is added: with an older one damaged it is refused, nothing having been read', async () => {
      const damages = [(pack: string) => rm(pack), (pack: string) => truncate(pack, 10)];
      for (const damage of damages)
        await lacking(damage, () =>
          assert.rejects(
            store.ensure(dataOf(made), { path: join(folder, 'disk-that-is-not'), sizeBytes: SIZE }, signal),
            { code: 'refused', message: /store is damaged: an older backup of this volume lacks data/ },
          ),
        );
      assert.deepEqual(await idsOf(made), []);
    });
  });

  it('finds and gives back what it has though somebody died while he pruned', async () => {
    const env = { RESTIC_REPOSITORY: join(folder, 'store', NAME), RESTIC_PASSWORD: PASSWORD };
    const pruning = spawn('restic', ['--no-cache', 'prune', '--quiet'], { env: { ...process.env, ...env } });
    const ended = once(pruning, 'close');
    while ((await locks()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    pruning.kill('SIGKILL');
    await ended;
    assert.equal((await locks()).length, 1);
    await assertSame(await restore(increment, true), second);
    assert.deepEqual(await locks(), []);
  });

  it('gives room back for what goes, and keeps the rest whole', async () => {
    for (let round = 0; round < 2; round += 1) await store.absent(dataOf(full), signal);
    await assert.rejects(store.find(dataOf(full)), /not in the store/);
    await assertSame(await restore(increment, true), second);
  });

  it('says so when it was tampered with, and still lets go of what is damaged', async () => {
    for (const path of await packs()) {
      const bytes = await readFile(path);
      for (let at = 100; at < bytes.length; at += 200_000) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      await rm(path);
      await writeFile(path, bytes);
    }
    await assert.rejects(restore(increment, true), /damaged/);
    await store.absent(dataOf(increment), signal);
    // 256 folders, and nothing in them.
    assert.ok((await stored()) < 2 * MIB);
  });
});
