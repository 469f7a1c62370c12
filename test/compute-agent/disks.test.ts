import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { secretId } from '#compute-agent/connectors/secret-id.ts';
import { watchLosses } from '#compute-agent/disks/replug.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { ServerTurns } from '#compute-agent/recovery/server-turns.ts';
import type { TaskErrorCode } from '#schema/tasks.ts';
import type { GuestConsole } from '#stack/guest/console.ts';
import { Lab, type LabVolume } from './support/lab.ts';

const MIB = 2 ** 20;

const withCode = (code: TaskErrorCode, message?: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, code, error.message);
  if (message !== undefined) assert.match(error.message, message);
  return true;
};

describe('disks of a real guest', function () {
  this.timeout(180_000);
  let lab: Lab;
  let server: string;
  let console: GuestConsole;

  before(async () => {
    lab = await Lab.open();
    ({ id: server, console } = await lab.guest('guest'));
  });
  after(async () => {
    await console?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const attach = (volume: LabVolume, more = {}) =>
    lab.handlers['disk.attach']({ ...lab.attachment(volume, server), ...more }, lab.context);
  const detach = (volume: LabVolume) =>
    lab.handlers['disk.detach'](
      { volumeId: volume.id, serverId: server, connection: lab.connection(volume) },
      lab.context,
    );
  const tune = (volume: LabVolume, iotune: object) =>
    lab.handlers['disk.tune']({ volumeId: volume.id, serverId: server, iotune }, lab.context);
  const disks = async () =>
    (await lab.definitions(server)).map((xml) =>
      listDisks(xml).map(({ serial, target }) => [serial, target]),
    );
  const secrets = async () =>
    (await lab.run('secret-list')).match(/^ [0-9a-f-]{36}/gm)?.map((id) => id.trim()) ?? [];

  it('come, obey limits, grow and go', async () => {
    const volume = await lab.volume();
    const [, before] = await lab.definitions(server);
    const mark = console.mark;
    const iotune = { read_iops_sec: 400, write_iops_sec: 200, read_bytes_sec: 80_000_000 };
    assert.deepEqual(await attach(volume, { iotune }), { device: '/dev/vda' });
    await console.waitFor(new RegExp(`disk vda added serial=${volume.id.slice(0, 20)} bytes=${64 * MIB}`), {
      mark,
    });
    assert.deepEqual(await disks(), [[[volume.id, 'vda']], [[volume.id, 'vda']]]);
    for (const xml of await lab.definitions(server)) {
      assert.deepEqual(listDisks(xml)[0]?.iotune, iotune);
    }
    assert.deepEqual(await secrets(), [secretId(volume.id)]);
    assert.equal(await lab.sessions(volume), 1);

    // Once more: nothing changes, and no program is started for it.
    const spawns = lab.started.length;
    assert.deepEqual(await attach(volume, { iotune }), { device: '/dev/vda' });
    assert.deepEqual(await disks(), [[[volume.id, 'vda']], [[volume.id, 'vda']]]);
    assert.equal(lab.started.length, spawns);
    await assert.rejects(attach(volume, { device: '/dev/vdb' }), withCode('invalid', /attached already/));

    await tune(volume, { total_iops_sec: 100 });
    const read = (await console.command('read vda 300 4096'))[0] ?? '';
    const milliseconds = Number(/ms=(\d+)$/.exec(read)?.[1]);
    assert.ok(milliseconds >= 1_500, `300 reads at 100 per second took ${milliseconds} ms`);

    await lab.grow(volume, 128);
    await lab.handlers['disk.resize'](
      { volumeId: volume.id, serverId: server, sizeBytes: 128 * MIB },
      lab.context,
    );
    await console.waitFor(new RegExp(`disk vda resized bytes=${128 * MIB}`), { mark });

    assert.deepEqual(await detach(volume), {});
    await console.waitFor(/disk vda removed/, { mark });
    assert.deepEqual(await disks(), [[], []]);
    assert.deepEqual(await secrets(), []);
    assert.equal(await lab.sessions(volume), 0);
    assert.equal((await lab.definitions(server))[1], before);
    assert.deepEqual(await detach(volume), {}, 'a disk that is gone is detached');
    assert.equal(lab.started.length, spawns);
  });

  const watched = (said: string[]) => {
    const { virsh, events, connector } = lab;
    const log = (line: string) => said.push(line);
    return watchLosses({ virsh, events, connector, turns: new ServerTurns(), log });
  };
  const loses = async (volume: LabVolume) => {
    const { mark } = console;
    await lab.virsh.run(['detach-device-alias', server, `ua-${volume.id}`, '--live']);
    await console.waitFor(/disk \w+ removed/, { mark });
    // The guest says so before QEMU has logged out.
    while ((await disks())[0]?.some(([serial]) => serial === volume.id) === true) await sleep(50);
  };
  /** Lets the host in to the volume's target, or no more. */
  const door = (op: 'bind' | 'unbind', volume: LabVolume) => {
    const { initiator } = lab.attachment(volume, server);
    return lab.tgtadm('--op', op, '--mode', 'target', '--tid', String(volume.tid), '-Q', initiator);
  };

  it('come back when the guest lets go of one that nobody took away', async () => {
    const volume = await lab.volume();
    await attach(volume);
    const said: string[] = [];
    const losses = watched(said);
    try {
      const mark = console.mark;
      // As an unplug request that comes too late does.
      await lab.virsh.run(['detach-device-alias', server, `ua-${volume.id}`, '--live']);
      await console.waitFor(/disk vda removed\n(?:.*\n)*guest: disk vda added/, { mark });
      while (said.length === 0) await sleep(50);
      assert.deepEqual(await disks(), [[[volume.id, 'vda']], [[volume.id, 'vda']]]);
      assert.match(said.join(), new RegExp(`volume ${volume.id}, which is attached: plugged in again`));
      // One that is taken away stays away.
      await detach(volume);
      await sleep(500);
      assert.deepEqual(await disks(), [[], []]);
      assert.equal(said.length, 1);
    } finally {
      losses.stop();
    }
  });

  it('come back when the guest let go of them while nobody watched, each as soon as it can be reached', async () => {
    const [volume, other] = [await lab.volume(), await lab.volume()];
    await attach(volume);
    await attach(other);
    await loses(volume);
    await loses(other);
    await door('unbind', volume);
    const said: string[] = [];
    const losses = watched(said);
    try {
      losses.look();
      const again = ({ id }: LabVolume) =>
        said.some((line) => line.includes(`${id}, which is attached: plugged`));
      while (!again(other) || !said.some((line) => line.startsWith('lost disks: '))) await sleep(50);
      const both = [
        [volume.id, 'vda'],
        [other.id, 'vdb'],
      ];
      assert.deepEqual(
        await disks(),
        [[[other.id, 'vdb']], both],
        'one that is refused keeps no other waiting',
      );
      await door('bind', volume);
      while (!again(volume)) await sleep(50);
      const [live, config] = await disks();
      assert.deepEqual([new Set(live), config], [new Set(both), both]);
      await detach(volume);
      await detach(other);
    } finally {
      losses.stop();
    }
  });

  /** A stopped process: its kernel goes on accepting connections, and nobody says anything on them. */
  const target = (signal: 'SIGSTOP' | 'SIGCONT') => process.kill(lab.tgtd.pid, signal);
  const attachIdle = async () => {
    const [volume, { mark }] = [await lab.volume(), console];
    await attach(volume);
    // A guest that has yet to read its partition table would wait for that, and keep the disk.
    await console.waitFor(/disk vda added/, { mark });
    await console.command('read vda 1 4096');
    return volume;
  };
  const listed = () => Promise.race([console.command('list'), sleep(5_000, ['nothing'])]);

  it('are asked for only while their target is at work: the guest would stand still', async () => {
    const volume = await attachIdle();
    try {
      target('SIGSTOP');
      let ended = false;
      const detached = detach(volume).finally(() => (ended = true));
      await sleep(4_000);
      assert.match((await listed()).join(), new RegExp(`serial=${volume.id.slice(0, 20)}`));
      assert.equal(ended, false);
      target('SIGCONT');
      assert.deepEqual(await detached, {});
      assert.deepEqual(await disks(), [[], []]);
    } finally {
      target('SIGCONT');
    }
  });

  it('come back when a target goes on that was stopped, also while the guest let go and stood still over it', async () => {
    const volume = await attachIdle();
    const said: string[] = [];
    const losses = watched(said);
    const again = async (times: number) => {
      while (said.filter((line) => line.endsWith('plugged in again')).length < times) await sleep(50);
    };
    try {
      target('SIGSTOP');
      await lab.virsh.run(['detach-device-alias', server, `ua-${volume.id}`, '--live']);
      await sleep(4_000);
      assert.deepEqual(await listed(), ['nothing']);
      target('SIGCONT');
      await again(1);
      losses.stop();

      await loses(volume);
      target('SIGSTOP');
      const later = watched(said);
      try {
        later.look();
        while (!said.join().includes('whose target does not answer')) await sleep(50);
        target('SIGCONT');
        await again(2);
      } finally {
        later.stop();
      }
      await detach(volume);
    } finally {
      target('SIGCONT');
      losses.stop();
    }
  });

  it('get the first name that is free in both definitions, or the one asked for', async () => {
    const [one, two, three] = [await lab.volume(), await lab.volume(), await lab.volume()];
    // Something of the operator's own that only the next start will bring.
    await lab.virsh.run(['attach-device', server, '--config'], {
      xml: `<disk type='file' device='disk'><source file='${two.image}'/><target dev='vda' bus='virtio'/></disk>`,
    });
    const devices = await Promise.all([attach(one), attach(three, { device: '/dev/vdf' })]);
    assert.deepEqual(devices, [{ device: '/dev/vdb' }, { device: '/dev/vdf' }]);
    await assert.rejects(attach(two, { device: 'vdf' }), withCode('invalid', /vdf is taken/));
    await assert.rejects(attach(two, { device: 'vda' }), withCode('invalid', /vda is taken/));
    await assert.rejects(attach(two, { device: 'sda' }), withCode('invalid', /does not fit/));
    assert.deepEqual((await secrets()).toSorted(), [secretId(one.id), secretId(three.id)].toSorted());
    await Promise.all([detach(one), detach(three)]);
    await lab.run('detach-disk', server, 'vda', '--config');
    assert.deepEqual(await disks(), [[], []]);
  });

  it('take any set of limits after any other, in both definitions', async () => {
    const volume = await lab.volume();
    await attach(volume);
    const sets = [
      { read_iops_sec: 100, write_iops_sec: 50, read_iops_sec_max: 300, read_iops_sec_max_length: 4 },
      { total_iops_sec: 70, total_bytes_sec: 1_000_000, size_iops_sec: 8_192, group_name: "tenant's a" },
      { total_iops_sec: 70, group_name: 'b' },
      { write_bytes_sec: 5_000_000, write_bytes_sec_max: 6_000_000 },
      {},
      { read_bytes_sec: 1_000_000, group_name: 'b' },
      {},
    ];
    for (const set of sets) {
      await tune(volume, set);
      for (const xml of await lab.definitions(server)) assert.deepEqual(listDisks(xml)[0]?.iotune, set);
    }
    await assert.rejects(tune(volume, { total_iops_sec: 5, read_iops_sec: 5 }), withCode('invalid'));
    await detach(volume);
  });

  it('leave nothing behind when the target refuses the secret', async () => {
    const volume = await lab.volume();
    const [live, config] = await lab.definitions(server);
    const stranger = { ...volume, secret: 'not-the-secret-1' };
    await assert.rejects(attach(stranger), /iSCSI|[Aa]uth/);
    assert.deepEqual(await lab.definitions(server), [live, config]);
    assert.deepEqual(await secrets(), []);
    // And the right one works afterwards.
    assert.deepEqual(await attach(volume), { device: '/dev/vda' });
    await detach(volume);
  });

  it('belong to servers and volumes that exist', async () => {
    const volume = await lab.volume();
    const missing = { ...lab.attachment(volume, randomUUID()) };
    await assert.rejects(lab.handlers['disk.attach'](missing, lab.context), withCode('not-found'));
    // virsh would take a name for a domain; a task may not.
    await assert.rejects(attach(volume, { serverId: 'guest' }), withCode('not-found'));
    await assert.rejects(tune(volume, {}), withCode('not-found'));
    const resize = { volumeId: volume.id, serverId: server, sizeBytes: MIB };
    await assert.rejects(lab.handlers['disk.resize'](resize, lab.context), withCode('not-found'));
    const { id: volumeId } = volume;
    const gone = { volumeId, serverId: randomUUID(), connection: null };
    assert.deepEqual(await lab.handlers['disk.detach'](gone, lab.context), {});
    assert.deepEqual(await secrets(), []);
  });

  it('keep their CHAP secret out of argv and off the disk', async () => {
    const volume = await lab.volume();
    await attach(volume);
    await detach(volume);
    const forms = [volume.secret, Buffer.from(volume.secret).toString('base64')];
    for (const args of lab.started) assert.ok(!forms.some((form) => args.join(' ').includes(form)));
    await lab.virsh.stop();
    for (const entry of await readdir(lab.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const text = await readFile(join(entry.parentPath, entry.name), 'latin1');
      assert.ok(!forms.some((form) => text.includes(form)), entry.name);
    }
  });
});
