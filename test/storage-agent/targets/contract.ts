import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClearAcl, Target } from '#storage-agent/targets/target.ts';
import { holdSession, qemuIo, qemuLoad } from './iscsi.ts';
import { numbered } from './numbered.ts';

const MIB = 1024 ** 2;

/** A target with a way to make devices for it. */
export interface TargetFixture {
  readonly target: Target;
  /** A device of this size, filled with zeroes. */
  readonly makeDevice: (volumeId: string, sizeBytes: number) => Promise<string>;
  /** Where the device's data can be read behind the target's back. Default: on the device itself. */
  readonly dataOf?: (path: string) => string;
  /** 4 KiB blocks that a guest writes while its disk grows. Default 8,000. */
  readonly blocks?: number;
  /** Exports that are made at the same time. Default 20. */
  readonly many?: number;
  readonly growDevice: (volumeId: string, path: string, sizeBytes: number) => Promise<void>;
}

const acl = (name: string): ClearAcl => ({
  initiator: `iqn.2010-10.org.blockyard:host:${name}`,
  username: `user-${randomUUID()}`,
  secret: randomUUID().slice(0, 16),
});

/** What every target must do, seen from an initiator. */
export function itIsATarget(get: () => TargetFixture): void {
  const make = async (sizeBytes = 16 * MIB) => {
    const { target, makeDevice } = get();
    const volume = randomUUID();
    return {
      target: numbered(target),
      volume,
      device: { path: await makeDevice(volume, sizeBytes), discard: true },
    };
  };

  it('exports a volume: what an initiator writes is on the device', async () => {
    const { target, volume, device } = await make();
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a]);
    await qemuIo(connection, a, 'write -P 0xab 1M 64k', 'flush');
    await using file = await open(get().dataOf?.(device.path) ?? device.path);
    const { buffer } = await file.read(Buffer.alloc(65_536), 0, 65_536, MIB);
    assert.ok(buffer.every((byte) => byte === 0xab));
    await target.absent(volume);
  });

  it('lets in only with the right secret, the right user name and the right initiator name', async () => {
    const { target, volume, device } = await make();
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a]);
    await qemuIo(connection, a, 'length');
    await assert.rejects(qemuIo(connection, { ...a, secret: 'wrong-secret-00' }, 'length'));
    await assert.rejects(qemuIo(connection, { ...a, username: 'somebody' }, 'length'));
    await assert.rejects(qemuIo(connection, { ...a, initiator: `${a.initiator}x` }, 'length'));
    await assert.rejects(qemuIo(connection, { initiator: a.initiator }, 'length'));
    await target.absent(volume);
  });

  it('has exactly the ACLs of the last call', async () => {
    const { target, volume, device } = await make();
    const [a, b, c] = [acl('a'), acl('b'), acl('c')];
    const connection = await target.ensure(volume, device, [a, b, c]);
    for (const each of [a, b, c]) await qemuIo(connection, each, 'length');
    // The first leaves, the others stay: tgtd's accounts must not be left with a hole.
    assert.deepEqual(await target.ensure(volume, device, [b, c]), connection);
    await assert.rejects(qemuIo(connection, a, 'length'));
    await qemuIo(connection, b, 'length');
    await qemuIo(connection, c, 'length');
    assert.deepEqual(new Set((await target.find(volume))?.initiators), new Set([b.initiator, c.initiator]));
    await target.ensure(volume, device, [a, c]);
    await assert.rejects(qemuIo(connection, b, 'length'));
    await qemuIo(connection, a, 'length');
    await qemuIo(connection, c, 'length');
    await target.absent(volume);
  });

  it('takes a new secret for an initiator', async () => {
    const { target, volume, device } = await make();
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a, acl('b')]);
    const renewed = { ...a, secret: 'another-secret-1' };
    await target.ensure(volume, device, [renewed, acl('b')]);
    await assert.rejects(qemuIo(connection, a, 'length'));
    await qemuIo(connection, renewed, 'length');
    await target.absent(volume);
  });

  it('cuts off an initiator that is not listed any more, and not the others', async () => {
    const { target, volume, device } = await make();
    const [a, b] = [acl('a'), acl('b')];
    const connection = await target.ensure(volume, device, [a, b]);
    const goes = await holdSession(connection, a);
    const stays = await holdSession(connection, b);
    try {
      assert.equal((await target.find(volume))?.sessions, 2);
      await target.ensure(volume, device, [b]);
      assert.equal((await target.find(volume))?.sessions, 1);
      assert.match(await stays.say('read 0 4k'), /read 4096\/4096/);
    } finally {
      await goes.end();
      await stays.end();
    }
    await target.absent(volume);
  });

  it('tells what an initiator that was shut out still has of it', async () => {
    const { target, volume, device } = await make();
    const [a, b] = [acl('a'), acl('b')];
    const connection = await target.ensure(volume, device, [a, b]);
    assert.equal(await target.lingering(volume, a.initiator), 'may still log in');
    const [goes, stays] = [await holdSession(connection, a), await holdSession(connection, b)];
    try {
      await target.ensure(volume, device, [b]);
      assert.equal(await target.lingering(volume, a.initiator), null);
      assert.equal(await target.lingering(volume, b.initiator), 'may still log in');
      await target.absent(volume);
      assert.equal(await target.lingering(volume, b.initiator), null);
    } finally {
      await goes.end();
      await stays.end();
    }
  });

  it('removes an export under a live session; one that is gone already is success', async () => {
    const { target, volume, device } = await make();
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a]);
    const held = await holdSession(connection, a);
    try {
      await target.absent(volume);
      assert.equal(await target.find(volume), null);
    } finally {
      await held.end();
    }
    await assert.rejects(qemuIo(connection, a, 'length'));
    await target.absent(volume);
    await target.absent(randomUUID());
  });

  it('shows a new size to those who are logged in', async () => {
    const { target, volume, device } = await make(16 * MIB);
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a]);
    const held = await holdSession(connection, a);
    try {
      await held.say('write -P 0x11 0 64k');
      await get().growDevice(volume, device.path, 64 * MIB);
      await target.grown(volume, device, 64 * MIB);
      // What a block resize makes QEMU do: ask for the capacity again.
      await held.say('truncate 64M');
      assert.match(await held.say('length'), /64 MiB/);
      assert.match(await held.say('read -P 0x11 0 64k'), /read 65536\/65536/);
      assert.match(await held.say('write -P 0x22 63M 1M'), /wrote 1048576\/1048576/);
    } finally {
      await held.end();
    }
    await target.absent(volume);
  });

  it('grows under a writing guest without an error on its side', async () => {
    const { target, volume, device } = await make(64 * MIB);
    const a = acl('a');
    const connection = await target.ensure(volume, device, [a]);
    const load = { done: false };
    const writing = qemuLoad(connection, a, get().blocks ?? 8_000).finally(() => (load.done = true));
    const growing = (async () => {
      let size = 64;
      do {
        await sleep(200);
        size += 64;
        await get().growDevice(volume, device.path, size * MIB);
        await target.grown(volume, device, size * MIB);
      } while (!load.done && size < 64 * 6);
      return size;
    })();
    const [size] = await Promise.all([growing, writing]);
    assert.match(await qemuIo(connection, a, 'length'), new RegExp(`${size} MiB`));
    await target.absent(volume);
  });

  it('does nothing for the growth of a volume that is not exported', async () => {
    const { target, volume, device } = await make();
    await target.grown(volume, device, 32 * MIB);
    assert.equal(await target.find(volume), null);
  });

  it('keeps many exports apart that are made at the same time', async () => {
    const { makeDevice } = get();
    const target = numbered(get().target);
    const volumes = await Promise.all(
      Array.from({ length: get().many ?? 20 }, async () => {
        const volume = randomUUID();
        const path = await makeDevice(volume, 2 * MIB);
        await writeFile(path, volume, { flag: 'r+' });
        return { volume, path, acl: acl('a') };
      }),
    );
    const connections = await Promise.all(
      volumes.map(({ volume, path, acl }) => target.ensure(volume, { path, discard: true }, [acl])),
    );
    assert.equal(new Set(connections.map(({ iqn }) => iqn)).size, volumes.length);
    const listed = new Set((await target.list()).map(({ volumeId }) => volumeId));
    assert.ok(volumes.every(({ volume }) => listed.has(volume)));
    await Promise.all(volumes.map(({ volume }) => target.absent(volume)));
    assert.deepEqual(await target.list(), []);
  });

  it('tells who may log in, who is, and what is offered', async () => {
    const { target, volume, device } = await make();
    const [a, b] = [acl('a'), acl('b')];
    const connection = await target.ensure(volume, device, [a, b]);
    const held = await holdSession(connection, a);
    const told = (await target.inventory())?.find((item) => item.volumeId === volume);
    await held.end();
    assert.deepEqual(
      { ...told, initiators: told?.initiators.toSorted() },
      {
        volumeId: volume,
        iqn: connection.iqn,
        path: device.path,
        lun: connection.lun,
        serial: volume,
        initiators: [a.initiator, b.initiator],
        sessions: [a.initiator],
      },
    );
    await target.absent(volume);
    assert.deepEqual(await target.inventory(), []);
  });

  it('refuses names that it could misread', async () => {
    const { target, volume, device } = await make();
    const a = acl('a');
    const invalid = { name: 'TaskError', code: 'invalid' };
    for (const initiator of ['', 'x', `${a.initiator},initiator-address=ALL`, 'iqn.x initiator-address=ALL'])
      await assert.rejects(target.ensure(volume, device, [{ ...a, initiator }]), invalid);
    for (const username of ['', 'a,password=b', 'a b', 'a\n'])
      await assert.rejects(target.ensure(volume, device, [{ ...a, username }]), invalid);
    for (const secret of ['', 'a\0b', 'a\nb', 'x'.repeat(300)])
      await assert.rejects(target.ensure(volume, device, [{ ...a, secret }]), invalid);
    await assert.rejects(target.ensure(volume, device, []), invalid);
    await assert.rejects(target.ensure('../x', device, [a]), invalid);
    assert.equal(await target.find(volume), null);
  });
}
