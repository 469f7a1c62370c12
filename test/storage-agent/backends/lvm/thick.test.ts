import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Runner } from '#agent/run.ts';
import type { Backend, ImageContent, NewContent } from '#storage-agent/backends/backend.ts';
import { itIsABackend } from '../contract.ts';
import { openBackend } from '../opened.ts';
import { type Group, makeGroup } from './group.ts';

const MIB = 1024 ** 2;

describe('lvm backend, on real metadata', () => {
  let group: Group;
  let backend: Backend;
  const over = (runner: Runner): Promise<Backend> => openBackend(`lvm:name=a,vg=${group.name}`, runner);
  before(async function () {
    this.timeout(60_000);
    const made = await makeGroup();
    if (made === null) this.skip();
    else {
      group = made;
      backend = await over(group.runner);
    }
  });
  after(() => group?.[Symbol.asyncDispose]());

  const names = async (): Promise<string[]> =>
    (await group.lvm('lvs', '--noheadings', '-o', 'lv_name', group.name)).split('\n').flatMap((line) => {
      const name = line.trim();
      return name === '' ? [] : [name];
    });

  describe('contract', () => itIsABackend(async () => backend)).timeout(60_000);

  it('says no-space as a refusal, and leaves nothing', async () => {
    const volume = randomUUID();
    await assert.rejects(backend.ensure(volume, 64 * 1024 * MIB), { code: 'refused', message: /no space/ });
    assert.equal(await backend.activate(volume), false);
    await backend.ensure(volume, 64 * MIB);
    await assert.rejects(backend.grow(volume, 64 * 1024 * MIB), { code: 'refused', message: /no space/ });
    await backend.absent(volume);
  });

  it('wipes a volume under its other name before its blocks go back', async () => {
    const volume = randomUUID();
    await backend.ensure(volume, 64 * MIB);
    await backend.absent(volume);
    assert.equal(group.wiped.at(-1), `-z /dev/${group.name}/deleting-${volume}`);
  });

  it('shows a snapshot as large as its volume was, not as the room that LVM keeps for what changes', async () => {
    const [volume, snapshot] = [randomUUID(), randomUUID()];
    // What LVM 2.03.16 says of them where there is a device-mapper, without which it makes no snapshots; the lab has one.
    const row = {
      lv_name: `_snapshot-${snapshot}`,
      lv_size: '71303168',
      lv_tags: 'blockyard',
      lv_active: 'active',
    };
    const shown = { ...row, lv_attr: 'swi-a-s---', origin: `volume-${volume}`, origin_size: '67108864' };
    const recorded = await over({
      run: async (program, args, options) =>
        program === 'lvs'
          ? { exitCode: 0, stdout: JSON.stringify({ report: [{ lv: [shown] }] }), stderr: '' }
          : group.runner.run(program, args, options),
    });
    assert.equal(await recorded.readSnapshot(snapshot, async (_path, sizeBytes) => sizeBytes), 64 * MIB);
  });

  it('removes nothing of which somebody has a snapshot: LVM would remove that, too', async () => {
    const volume = randomUUID();
    const image: ImageContent = { id: volume, digest: null, open: () => assert.fail('it has begun') };
    const changes: string[] = [];
    for (const kind of ['volume', 'deleting'] as const) {
      // Snapshots cannot be made here: what LVM says of a volume that has one, and of one that an administrator has taken.
      const row = { lv_size: '67108864', lv_active: 'active', origin_size: '67108864' };
      const lv = [
        { ...row, lv_name: `${kind}-${volume}`, lv_attr: 'owi-a-s---', lv_tags: 'blockyard', origin: '' },
        { ...row, lv_name: 'kept', lv_attr: 'swi-a-s---', lv_tags: '', origin: `${kind}-${volume}` },
        { ...row, lv_name: `volume-${volume}`, lv_attr: '-wi-a-----', lv_tags: 'blockyard', origin: '' },
      ];
      const recorded = await over({
        async run(program, args, options) {
          if (program === 'pvs') return group.runner.run(program, args, options);
          if (program !== 'lvs') changes.push(program);
          const shown = kind === 'volume' ? lv.slice(0, 2) : lv;
          return { exitCode: 0, stdout: JSON.stringify({ report: [{ lv: shown }] }), stderr: '' };
        },
      });
      const refused = { code: 'refused', message: /snapshots/ };
      await assert.rejects(recorded.remove(kind, volume), refused);
      await assert.rejects(recorded.absent(volume), refused);
      if (kind === 'deleting')
        await assert.rejects(recorded.rewrite(volume, 64 * MIB, { kind: 'image', image }), refused);
    }
    assert.deepEqual(changes, []);
  });

  it('keeps its hands off a volume that carries its name but not its tag', async () => {
    const volume = randomUUID();
    await group.lvm('lvcreate', '-y', '-Wn', '-L', '64m', '-n', `volume-${volume}`, group.name);
    const refused = { name: 'TaskError', code: 'refused' };
    await assert.rejects(backend.ensure(volume, 64 * MIB), refused);
    await assert.rejects(backend.grow(volume, 128 * MIB), refused);
    await assert.rejects(backend.absent(volume), refused);
    await assert.rejects(backend.activate(volume), refused);
    assert.ok((await names()).includes(`volume-${volume}`));
    await group.lvm('lvremove', '-y', `${group.name}/volume-${volume}`);
  });

  it('says which volume group is missing', async () => {
    const other = await openBackend('lvm:name=a,vg=nosuchgroup', group.runner);
    await assert.rejects(other.capacity(), /nosuchgroup/);
  });

  for (const when of ['before', 'after'] as const)
    it(`removes a volume for good although it crashes ${when} every command in turn`, async () => {
      const volume = randomUUID();
      for (let at = 1; at < 10; at += 1) {
        await backend.ensure(volume, 64 * MIB);
        const wipes = group.wiped.length;
        let calls = 0;
        const crashing = await over({
          async run(program, args, options) {
            calls += 1;
            if (calls > at || (calls === at && when === 'before')) throw new Error('crash');
            const result = await group.runner.run(program, args, options);
            if (calls === at) throw new Error('crash');
            return result;
          },
        });
        const crashed = await crashing.absent(volume).then(
          () => false,
          () => true,
        );
        // Whatever still has its name has never been touched.
        if ((await names()).includes(`volume-${volume}`)) assert.equal(group.wiped.length, wipes);
        // Made again before the deletion is over: two removals then, and both wiped.
        if (at % 2 === 0) await backend.ensure(volume, 64 * MIB);
        await backend.absent(volume);
        assert.ok(group.wiped.length > wipes);
        assert.deepEqual(await names(), []);
        if (!crashed) return;
      }
      assert.fail('never got through');
    }).timeout(60_000);

  /** A backend that dies before or after its command of this number. */
  const dying = (at: number, when: 'before' | 'after'): Promise<Backend> => {
    let calls = 0;
    return over({
      async run(program, args, options) {
        calls += 1;
        if (calls > at || (calls === at && when === 'before')) throw new Error('crash');
        const result = await group.runner.run(program, args, options);
        if (calls === at) throw new Error('crash');
        return result;
      },
    });
  };
  const through = (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => true,
      () => false,
    );

  for (const when of ['before', 'after'] as const)
    it(`adopts and gives back although it crashes ${when} every command in turn`, async () => {
      const volume = randomUUID();
      const name = 'theirs';
      await group.lvm('lvcreate', '-y', '-Wn', '-Zn', '-an', '-L', '96m', '-n', name, group.name);
      const found = async (): Promise<unknown> =>
        (await backend.items())?.map((item) => [item.kind, item.name, item.sizeBytes / MIB]);
      for (let at = 1, done = 0; done < 2; at += 1) {
        assert.ok(at < 20, 'never got through');
        const adopted = await through((await dying(at, when)).adopt(volume, name, 1024 * MIB));
        // As an undo does, which may find it half done or not begun.
        await backend.release(volume, name);
        assert.deepEqual(((await found()) as unknown[][])[0]?.slice(0, 2), ['foreign', name]);
        await backend.adopt(volume, name, 1024 * MIB);
        assert.deepEqual(await found(), [['volume', `volume-${volume}`, 1024]]);
        const released = await through((await dying(at, when)).release(volume, name));
        await backend.release(volume, name);
        assert.deepEqual(await found(), [['foreign', name, 1024]]);
        assert.equal((await group.lvm('lvs', '--noheadings', '-o', 'lv_tags', group.name)).trim(), '');
        done = Number(adopted) + Number(released);
      }
      await group.lvm('lvremove', '-y', `${group.name}/${name}`);
    }).timeout(120_000);

  for (const when of ['before', 'after'] as const)
    it(`puts new data in a volume's place although it crashes ${when} every command in turn`, async () => {
      const volume = randomUUID();
      const content: NewContent = {
        kind: 'image',
        image: {
          id: randomUUID(),
          digest: null,
          open: (_atMost, work) => work({ sizeBytes: MIB, dataBytes: MIB, writeTo: async () => undefined }),
        },
      };
      await backend.ensure(volume, 64 * MIB);
      for (let at = 1; ; at += 1) {
        assert.ok(at < 20, 'never got through');
        const got = await through((await dying(at, when)).rewrite(volume, 64 * MIB, content));
        // The old data or the new have always been there, whole.
        const left = await names();
        assert.ok(left.includes(`volume-${volume}`) || left.includes(`replacing-${volume}`), left.join(' '));
        await backend.rewrite(volume, 64 * MIB, content);
        assert.deepEqual((await names()).toSorted(), [`deleting-${volume}`, `volume-${volume}`]);
        if (got) break;
      }
      await backend.absent(volume);
    }).timeout(120_000);

  for (const when of ['before', 'after'] as const)
    it(`makes new data beside a volume and puts them in its place although it crashes ${when} every command in turn`, async () => {
      const volume = randomUUID();
      const image: ImageContent = {
        id: volume,
        digest: null,
        open: (_atMost, work) => work({ sizeBytes: MIB, dataBytes: MIB, writeTo: async () => undefined }),
      };
      const [mine, beside, was] = [`volume-${volume}`, `replacing-${volume}`, `deleting-${volume}`];
      await assert.rejects(backend.stage(volume, 64 * MIB, image), { code: 'not-found' });
      await backend.ensure(volume, 64 * MIB);
      for (let at = 1, done = 0; done < 4; at += 1) {
        assert.ok(at < 20, 'never got through');
        const staged = await through((await dying(at, when)).stage(volume, 64 * MIB, image));
        assert.ok((await names()).includes(mine), 'the volume stays as it is');
        await backend.stage(volume, 64 * MIB, image);
        assert.deepEqual((await names()).toSorted(), [beside, mine]);
        const unstaged = await through((await dying(at, when)).unstage(volume));
        await backend.unstage(volume);
        assert.deepEqual(await names(), [mine]);
        await backend.stage(volume, 64 * MIB, image);
        const replaced = await through((await dying(at, when)).replace(volume));
        const left = await names();
        assert.ok(left.includes(mine) || left.includes(beside), left.join(' '));
        await backend.replace(volume);
        assert.deepEqual((await names()).toSorted(), [was, mine]);
        const removed = await through((await dying(at, when)).remove('deleting', volume));
        await backend.remove('deleting', volume);
        assert.deepEqual(await names(), [mine]);
        done = Number(staged) + Number(unstaged) + Number(replaced) + Number(removed);
      }
      const wipes = group.wiped.length;
      await backend.stage(volume, 64 * MIB, image);
      await assert.rejects(backend.release(volume, 'mine'), { code: 'refused', message: /beside/ });
      await backend.replace(volume);
      await backend.replace(volume);
      for (let time = 0; time < 2; time += 1) await backend.remove('deleting', volume);
      assert.equal(group.wiped.length, wipes + 1, 'what was there is wiped, and what is there is not');
      await backend.absent(volume);
    }).timeout(180_000);

  it('puts new data in place of what cannot be wiped, and begins nothing over what is left of it', async () => {
    const volume = randomUUID();
    const image: ImageContent = {
      id: volume,
      digest: null,
      open: (_atMost, work) => work({ sizeBytes: MIB, dataBytes: MIB, writeTo: async () => undefined }),
    };
    const [mine, was] = [`volume-${volume}`, `deleting-${volume}`];
    const worn = await over({
      async run(program, args, options) {
        if (program === 'blkdiscard' && args.at(-1)?.endsWith(was))
          throw new Error('BLKZEROOUT ioctl failed: Input/output error');
        return group.runner.run(program, args, options);
      },
    });
    await worn.ensure(volume, 64 * MIB);
    await worn.stage(volume, 64 * MIB, image);
    await worn.replace(volume);
    assert.deepEqual((await names()).toSorted(), [was, mine]);
    await assert.rejects(worn.remove('deleting', volume), /Input\/output error/);
    // Before anything has been done that cannot be turned back.
    await assert.rejects(worn.stage(volume, 64 * MIB, image), /Input\/output error/);
    assert.deepEqual((await names()).toSorted(), [was, mine]);
    await backend.absent(volume);
    assert.deepEqual(await names(), []);
  }).timeout(60_000);

  it('adopts nothing that is no plain volume, and takes no name for an option', async () => {
    await group.lvm('lvcreate', '-y', '-Wn', '-Zn', '-an', '-p', 'r', '-L', '64m', '-n', 'still', group.name);
    await assert.rejects(backend.adopt(randomUUID(), 'still', 1024 * MIB), {
      code: 'refused',
      message: /not writable/,
    });
    for (const bad of ['--config=x', '-h', 'a/b', '', '@tag'])
      await assert.rejects(backend.adopt(randomUUID(), bad, 1024 * MIB), { code: 'invalid' });
    // What is not ours is never given away, nor removed.
    const volume = randomUUID();
    await group.lvm('lvrename', group.name, 'still', `volume-${volume}`);
    await assert.rejects(backend.release(volume, 'mine'), { code: 'refused' });
    await assert.rejects(backend.remove('volume', volume), { code: 'refused' });
    await group.lvm('lvremove', '-y', `${group.name}/volume-${volume}`);
    assert.deepEqual(await names(), []);
  }).timeout(60_000);
});
