import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConsole } from '#compute-agent/servers/console.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { buildBootableImage } from '#stack/guest/bootable.ts';
import { Lab, type LabVolume } from './support/lab.ts';

describe('servers on a real hypervisor', function () {
  this.timeout(240_000);
  let lab: Lab;
  let image: string;

  before(async () => {
    lab = await Lab.open();
    image = await buildBootableImage('.data/cache/guest');
  });
  after(() => lab[Symbol.asyncDispose]());

  async function bootable(): Promise<LabVolume> {
    const volume = await lab.volume();
    await copyFile(image, volume.image);
    return volume;
  }

  function request(volume: LabVolume, serverId: string): TaskInput<'server.ensure'> {
    return {
      ...lab.attachment(volume, serverId),
      device: 'vda',
      iotune: { read_iops_sec: 5_000 },
      name: "Anna's <web> & mail/1",
      projectId: 'demo',
      vcpus: 1,
      memoryMib: 160,
    };
  }

  const ensure = (input: TaskInput<'server.ensure'>) => lab.handlers['server.ensure'](input, lab.context);
  const power = (volume: LabVolume, serverId: string, action: TaskInput<'server.power'>['action']) =>
    lab.handlers['server.power']({ volumeId: volume.id, serverId, action }, lab.context);
  const absent = (volume: LabVolume, serverId: string) =>
    lab.handlers['server.absent'](
      { volumeId: volume.id, serverId, connection: lab.connection(volume) },
      lab.context,
    );
  const stateOf = async (id: string): Promise<string> => (await lab.run('domstate', id)).trim();
  const consoleOf = async (serverId: string, lines: number | null = null): Promise<string> =>
    (await readConsole(lab.virsh, { serverId, lines })).text;

  /** How many times the guest has come up so far. */
  const boots = async (id: string): Promise<number> =>
    (await consoleOf(id)).match(/^guest: ready\r?$/gm)?.length ?? 0;

  async function bootedTimes(id: string, times: number): Promise<void> {
    while ((await boots(id)) < times) await sleep(200);
  }

  async function assertNothingLeft(...ids: string[]): Promise<void> {
    const domains = await lab.run('list', '--all', '--uuid');
    for (const id of ids) assert.ok(!domains.includes(id), 'its domain is left');
    assert.equal((await lab.run('secret-list')).trim(), '');
    assert.deepEqual(await readdir(join(lab.dir, 'c')), []);
  }

  it('boots from its volume alone, stops, starts, reboots, and goes without a trace', async () => {
    const [volume, id] = [await bootable(), randomUUID()];
    const input = request(volume, id);
    assert.deepEqual(await ensure(input), { device: '/dev/vda' });
    assert.deepEqual(await ensure(input), { device: '/dev/vda' });
    await bootedTimes(id, 1);
    const greeting = new RegExp(`^guest: greeted vda serial=${volume.id.slice(0, 20)}\r?$`, 'm');
    assert.match(await consoleOf(id), greeting);
    assert.match(await consoleOf(id, 1), /^guest: ready\r?\n$/);

    const [live] = await lab.definitions(id);
    assert.equal(live.match(/<disk /g)?.length, 1);
    for (const part of [
      `<serial>${volume.id}</serial>`,
      `<alias name='ua-${volume.id}'/>`,
      '<read_iops_sec>5000</read_iops_sec>',
      '<title>Anna&apos;s &lt;web&gt; &amp; mail/1</title>',
      `<name>Anna-s-web-mail-1-${id.slice(0, 8)}</name>`,
      "<memballoon model='virtio'>",
      "<rng model='virtio'>",
    ])
      assert.ok(live.includes(part), `${part} is not in ${live}`);
    assert.match(live, /<blockyard:instance [^>]*project=.demo./);
    assert.match(await lab.run('dominfo', id), /^Autostart: +enable$/m);

    await power(volume, id, 'reboot');
    await bootedTimes(id, 2);
    await power(volume, id, 'hard-reboot');
    await bootedTimes(id, 3);

    const began = performance.now();
    await power(volume, id, 'stop');
    assert.ok(performance.now() - began < 15_000, 'the guest heeds the power button');
    assert.equal(await stateOf(id), 'shut off');
    assert.match(await lab.run('dominfo', id), /^Autostart: +disable$/m);
    await power(volume, id, 'stop');

    // Into its definition only; it has it from its next start on.
    const data = await lab.volume();
    assert.deepEqual(await lab.handlers['disk.attach'](lab.attachment(data, id), lab.context), {
      device: '/dev/vdb',
    });
    await power(volume, id, 'start');
    await power(volume, id, 'start');
    await bootedTimes(id, 4);
    assert.equal(await lab.sessions(data), 1);

    await lab.handlers['disk.detach'](
      { volumeId: data.id, serverId: id, connection: lab.connection(data), serverGone: true },
      lab.context,
    );
    assert.equal(await stateOf(id), 'shut off');
    assert.equal(await lab.sessions(data), 0);
    await absent(volume, id);
    await absent(volume, id);
    await assertNothingLeft(id);
    await assert.rejects(power(volume, id, 'start'), (error) => {
      assert.ok(error instanceof TaskError);
      assert.equal(error.code, 'not-found');
      return true;
    });
  });

  it('finishes what a killed agent has begun', async () => {
    const [volume, id] = [await bootable(), randomUUID()];
    const input = request(volume, id);
    await ensure(input);
    // As it is between definition and start.
    await lab.run('destroy', id);
    await lab.run('autostart', id, '--disable');
    assert.deepEqual(await ensure(input), { device: '/dev/vda' });
    assert.equal(await stateOf(id), 'running');
    assert.match(await lab.run('dominfo', id), /^Autostart: +enable$/m);
    await absent(volume, id);
    await assertNothingLeft(id);
  });

  it('switches off a guest that does not heed the power button', async () => {
    const [volume, id] = [await lab.volume(), randomUUID()];
    // Nothing on it to boot.
    await ensure(request(volume, id));
    await power(volume, id, 'reboot');
    assert.equal(await stateOf(id), 'running');
    await power(volume, id, 'stop');
    assert.equal(await stateOf(id), 'shut off');
    await absent(volume, id);
    await assertNothingLeft(id);
  });

  it('takes no domain of somebody else for its own', async () => {
    const volume = await bootable();
    const id = await lab.deafGuest('theirs');
    await assert.rejects(ensure(request(volume, id)), /does not boot from its volume/);
    assert.match(await lab.run('list', '--all'), /theirs/);
    await lab.run('undefine', id);
  });

  it('leaves the reason when libvirt refuses, and nothing else once it is undone', async () => {
    const [volume, id] = [await bootable(), randomUUID()];
    const input = { ...request(volume, id), memoryMib: 2 ** 40 };
    await assert.rejects(ensure(input), /memory/i);
    await absent(volume, id);
    await assertNothingLeft(id);
  });
});
