import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connector } from '#compute-agent/connectors/connector.ts';
import { libiscsiConnector } from '#compute-agent/connectors/libiscsi.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { NOTHING_PENDING, type PendingEvictions } from '#compute-agent/recovery/evictions.ts';
import { recover } from '#compute-agent/recovery/recovery.ts';
import { ServerTurns } from '#compute-agent/recovery/server-turns.ts';
import { TaskError } from '#schema/tasks.ts';
import { Lab } from '../support/lab.ts';

const INITIATOR = 'iqn.2010-10.org.blockyard:host:lab';

describe('recovery after a restart of the host', function () {
  this.timeout(120_000);
  let lab: Lab;
  const log: string[] = [];
  const idle = new AbortController().signal;

  before(async () => {
    lab = await Lab.open();
  });
  after(() => lab?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    log.length = 0;
    await writeFile(join(lab.dir, 'recovered-boot'), 'boot-1\n');
  });

  const run = (
    bootId: string,
    connector: Connector = libiscsiConnector(lab.virsh),
    signal = idle,
    evictions: PendingEvictions = NOTHING_PENDING,
  ) =>
    recover(
      {
        virsh: lab.virsh,
        connector,
        turns: new ServerTurns(),
        evictions,
        dir: lab.dir,
        bootId,
        log: (line) => log.push(line),
      },
      signal,
    );
  const mark = () => readFile(join(lab.dir, 'recovered-boot'), 'utf8');
  const state = async (id: string) => (await lab.run('domstate', id)).trim();

  /** A domain that is shut off and has a volume behind a real target. */
  async function server(autostart: boolean): Promise<string> {
    const id = await lab.deafGuest(`recovered-${randomUUID().slice(0, 8)}`);
    await lab.handlers['disk.attach'](lab.attachment(await lab.volume(4), id), lab.context);
    if (autostart) await lab.run('autostart', id);
    return id;
  }

  it('starts what is to run and has our volumes, once per boot', async () => {
    const [wanted, unmarked] = [await server(true), await server(false)];
    const foreign = await lab.deafGuest('foreign');
    await lab.run('autostart', foreign);
    await run('boot-2');
    assert.deepEqual(
      [await state(wanted), await state(unmarked), await state(foreign)],
      ['running', 'shut off', 'shut off'],
    );
    assert.equal(await mark(), 'boot-2\n');
    assert.match(log.join('\n'), /^recovery: recovered-\S+: started$/m);

    // Somebody switches it off; the agent starts again.
    await lab.run('destroy', wanted);
    await run('boot-2');
    assert.equal(await state(wanted), 'shut off');
    await lab.run('autostart', wanted, '--disable');
  });

  it('tries again until the target lets it in, says so once, and ends when it is told to', async () => {
    const id = await lab.deafGuest('patient');
    const volume = await lab.volume(4);
    await lab.handlers['disk.attach'](lab.attachment(volume, id), lab.context);
    await lab.run('autostart', id);
    const access = (op: string) =>
      lab.tgtadm('--op', op, '--mode', 'target', '--tid', String(volume.tid), '-Q', INITIATOR);
    await access('unbind');
    const stop = new AbortController();
    const first = run('boot-3', undefined, stop.signal);
    while (log.length === 0) await sleep(50);
    stop.abort();
    await assert.rejects(first, { name: 'AbortError' });
    assert.equal(await mark(), `boot-3\n${id}\n`);

    log.length = 0;
    const second = run('boot-3');
    while (log.length === 0) await sleep(50);
    assert.equal(await state(id), 'shut off');
    await access('bind');
    await second;
    assert.equal(await state(id), 'running');
    assert.equal(log.length, 2, log.join('\n'));
    await lab.run('destroy', id);
    await lab.run('undefine', id);
  });

  it('a server that a volume was taken from comes back without it, once it is cleared', async () => {
    const id = await server(true);
    const [disk] = listDisks(await lab.run('dumpxml', id, '--inactive'));
    const volumeId = disk?.serial ?? '';
    const secrets = await lab.run('secret-list');
    let pending = true;
    const evictions: PendingEvictions = {
      ...NOTHING_PENDING,
      concerns: (serverId) => pending && serverId === id,
      concerned: (serverId) => serverId === id,
    };
    const recovered = run('boot-4', undefined, idle, evictions);
    while (!log.some((line) => line.includes('was taken from this host'))) await sleep(50);
    assert.equal(await state(id), 'shut off');
    const input = { volumeId, serverId: id, connection: null, root: false };
    assert.deepEqual(await lab.handlers['disk.evict'](input, lab.context), { guest: 'off' });
    assert.deepEqual(await lab.handlers['disk.evict'](input, lab.context), { guest: 'none' });
    pending = false;
    await recovered;
    assert.equal(await state(id), 'running');
    assert.deepEqual(listDisks(await lab.run('dumpxml', id)), []);
    assert.equal((await lab.run('secret-list')).split('\n').length, secrets.split('\n').length - 1);
    await lab.run('destroy', id);
    await lab.run('undefine', id);
  });

  it('connects volumes of servers that are off, and has the definition follow a new name', async () => {
    const [id, volumeId, other] = [await lab.deafGuest('moved'), randomUUID(), randomUUID()];
    const disk = (volume: string, name: string, dev: string) => `<disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='native'/><source dev='${dev}'/>
      <target dev='${name}' bus='virtio'/><iotune><total_iops_sec>100</total_iops_sec></iotune>
      <serial>${volume}</serial><alias name='ua-${volume}'/></disk>`;
    for (const [volume, name] of [
      [volumeId, 'vda'],
      [other, 'vdb'],
    ] as const)
      await lab.virsh.run(['attach-device', id, '--config'], {
        xml: disk(volume, name, `/dev/disk/by-path/old-${name}`),
      });
    let attempts = 0;
    const tidied: string[][] = [];
    const connector: Connector = {
      ...libiscsiConnector(lab.virsh),
      async reconnect(volume) {
        // Servers of other tests are off as well.
        if (volume === volumeId) attempts += 1;
        if (volume === volumeId && attempts === 1) throw new Error('iSCSI: the portal does not answer');
        return volume === volumeId ? { type: 'block', dev: '/dev/disk/by-path/new' } : null;
      },
      tidy: async (used) => void tidied.push([...used]),
    };
    await run('boot-1', connector);
    const disks = listDisks((await lab.run('dumpxml', id, '--inactive')).trim());
    assert.deepEqual(
      disks.map(({ source, iotune, alias }) => [source, iotune, alias]),
      [
        [{ type: 'block', dev: '/dev/disk/by-path/new' }, { total_iops_sec: 100 }, `ua-${volumeId}`],
        [{ type: 'block', dev: '/dev/disk/by-path/old-vdb' }, { total_iops_sec: 100 }, `ua-${other}`],
      ],
    );
    assert.ok(tidied[0]?.includes(volumeId) && tidied[0].includes(other));
    assert.deepEqual(log, [
      'recovery: moved: iSCSI: the portal does not answer',
      'recovery: moved: 1 of its volumes connected',
    ]);
  });

  it('gives up what another attempt cannot mend, and goes on with the others', async () => {
    const [lost, fine] = [await server(true), await server(true)];
    const [disk] = listDisks((await lab.run('dumpxml', lost, '--inactive')).trim());
    const connector: Connector = {
      ...libiscsiConnector(lab.virsh),
      async reconnect(volume) {
        if (volume === disk?.serial) throw new TaskError('not-found', 'no records');
        return null;
      },
    };
    await run('boot-4', connector);
    assert.deepEqual([await state(lost), await state(fine)], ['shut off', 'running']);
    assert.match(log.join('\n'), /no records/);
  });

  it('sees to each server once per boot and tidies up, though one of them can never be started', async () => {
    const [lost, fine] = [await server(true), await server(true)];
    const [disk] = listDisks((await lab.run('dumpxml', lost, '--inactive')).trim());
    const tidied: ReadonlySet<string>[] = [];
    const connector: Connector = {
      ...libiscsiConnector(lab.virsh),
      async reconnect(volume) {
        if (volume === disk?.serial) throw new Error('its target is gone for good');
        return null;
      },
      tidy: async (used) => void tidied.push(used),
    };
    const untilItHasSaid = async (word: RegExp): Promise<void> => {
      const stop = new AbortController();
      const running = run('boot-6', connector, stop.signal);
      while (!word.test(log.join('\n')) || tidied.length === 0) await sleep(50);
      stop.abort();
      await assert.rejects(running, { name: 'AbortError' });
    };
    await untilItHasSaid(/: started$/m);
    assert.deepEqual([await state(lost), await state(fine)], ['shut off', 'running']);
    assert.equal(await mark(), `boot-6\n${lost}\n`);
    assert.equal(tidied.length, 1);
    assert.ok(tidied[0]?.has(disk?.serial ?? ''), 'what the failed server needs is no leftover');

    // Somebody switches the good one off, and the agent starts again.
    await lab.run('destroy', fine);
    log.length = tidied.length = 0;
    await untilItHasSaid(/gone for good/);
    assert.equal(await state(fine), 'shut off');
    assert.equal(await mark(), `boot-6\n${lost}\n`);

    // Started by hand it is nobody's business any more.
    await lab.run('start', lost);
    await run('boot-6', connector);
    assert.equal(await mark(), 'boot-6\n');
    await lab.run('destroy', lost);
    for (const id of [lost, fine]) await lab.run('undefine', id);
  });

  it('does not start servers of a host on which no agent has run before', async () => {
    const id = await server(true);
    await rm(join(lab.dir, 'recovered-boot'));
    await run('boot-5');
    assert.equal(await state(id), 'shut off');
  });
});
