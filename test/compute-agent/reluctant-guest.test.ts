import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { secretId } from '#compute-agent/connectors/secret-id.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { Lab, type LabVolume } from './support/lab.ts';

describe('a guest that does not answer', function () {
  this.timeout(120_000);
  const DETACH_TIMEOUT_MS = 1_600;
  let lab: Lab;

  before(async () => {
    lab = await Lab.open({ detachTimeoutMs: DETACH_TIMEOUT_MS });
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const attach = (volume: LabVolume, server: string) =>
    lab.handlers['disk.attach'](lab.attachment(volume, server), lab.context);
  const detach = (volume: LabVolume, serverId: string, context = lab.context) =>
    lab.handlers['disk.detach']({ volumeId: volume.id, serverId, connection: null }, context);
  const serials = async (server: string) =>
    (await lab.definitions(server)).map((xml) => listDisks(xml).map(({ serial }) => serial));
  const hasSecret = async (volume: LabVolume) => (await lab.run('secret-list')).includes(secretId(volume.id));

  it('keeps its disk, in both definitions as they were', async () => {
    const [server, volume] = [await lab.deafGuest('deaf'), await lab.volume()];
    await lab.run('start', server);
    await attach(volume, server);
    const before = await lab.definitions(server);
    const began = performance.now();
    await assert.rejects(detach(volume, server), { code: 'guest-busy' });
    assert.ok(performance.now() - began >= DETACH_TIMEOUT_MS);
    assert.deepEqual(await lab.definitions(server), before);
    assert.ok(await hasSecret(volume));
    assert.equal(await lab.sessions(volume), 1);

    // It stops in the middle of the next try.
    const [outcome] = await Promise.all([
      detach(volume, server),
      sleep(300).then(() => lab.run('destroy', server)),
    ]);
    assert.deepEqual(outcome, {});
    assert.deepEqual((await serials(server))[1], []);
    assert.equal(await hasSecret(volume), false);
  });

  it('keeps it too when an earlier try was interrupted', async () => {
    const [server, volume] = [await lab.deafGuest('interrupted'), await lab.volume()];
    await lab.run('start', server);
    await attach(volume, server);
    const before = (await lab.definitions(server)).map(listDisks);
    const stop = new AbortController();
    const first = detach(volume, server, { ...lab.context, signal: stop.signal });
    await sleep(200);
    stop.abort(new Error('stopping'));
    await assert.rejects(first, /stopping/);
    assert.deepEqual((await serials(server))[1], [], 'the first try got as far as the persistent definition');

    await assert.rejects(detach(volume, server), { code: 'guest-busy' });
    assert.deepEqual((await lab.definitions(server)).map(listDisks), before);
    await lab.run('destroy', server);
    await lab.run('start', server);
    assert.deepEqual(await serials(server), [[volume.id], [volume.id]]);
    await lab.run('destroy', server);
  });

  it('takes disks while it is shut off or paused', async () => {
    const [server, volume, other] = [await lab.deafGuest('off'), await lab.volume(), await lab.volume()];
    assert.deepEqual(await attach(volume, server), { device: '/dev/vda' });
    const tuned = { volumeId: volume.id, serverId: server, iotune: { total_iops_sec: 9 } };
    await lab.handlers['disk.tune'](tuned, lab.context);
    const resized = { volumeId: volume.id, serverId: server, sizeBytes: 2 ** 26 };
    await lab.handlers['disk.resize'](resized, lab.context);
    assert.equal(await lab.sessions(volume), 0);

    // The secret survives libvirtd, so the guest starts with its disk.
    await lab.run('start', server);
    assert.equal(await lab.sessions(volume), 1);
    assert.deepEqual(listDisks((await lab.definitions(server))[0])[0]?.iotune, { total_iops_sec: 9 });
    await lab.run('suspend', server);
    assert.deepEqual(await attach(other, server), { device: '/dev/vdb' });
    await lab.run('destroy', server);
    await Promise.all([detach(volume, server), detach(other, server)]);
    assert.deepEqual((await serials(server))[1], []);
  });

  it('is waited for while libvirtd restarts', async () => {
    const [server, volume] = [await lab.deafGuest('meanwhile'), await lab.volume()];
    await lab.run('start', server);
    await attach(volume, server);
    const before = await lab.definitions(server);
    const outcome = assert.rejects(detach(volume, server), { code: 'guest-busy' });
    await sleep(200);
    await lab.restartLibvirt();
    await outcome;
    assert.deepEqual((await lab.definitions(server)).map(listDisks), before.map(listDisks));
    await lab.run('destroy', server);
  });

  it('takes disks of other buses', async () => {
    const [server, scsi, sata] = [await lab.deafGuest('buses'), await lab.volume(), await lab.volume()];
    const on = async (volume: LabVolume, bus: 'scsi' | 'sata') =>
      await lab.handlers['disk.attach']({ ...lab.attachment(volume, server), bus }, lab.context);
    assert.deepEqual(await on(scsi, 'scsi'), { device: '/dev/sda' });
    assert.deepEqual(await on(sata, 'sata'), { device: '/dev/sdb' });
    await lab.run('start', server);
    assert.deepEqual(await serials(server), [
      [scsi.id, sata.id],
      [scsi.id, sata.id],
    ]);
    const late = await lab.volume();
    await assert.rejects(on(late, 'sata'), { code: 'invalid', message: /hotplug/ });
    assert.deepEqual((await serials(server))[1], [scsi.id, sata.id]);
    assert.equal(await hasSecret(late), false);
    await lab.run('destroy', server);
    await Promise.all([detach(scsi, server), detach(sata, server)]);
    assert.deepEqual((await serials(server))[1], []);
  });

  it('takes disks although it will be forgotten when it stops', async () => {
    const [server, volume] = [await lab.deafGuest('transient'), await lab.volume()];
    await lab.run('start', server);
    await lab.run('undefine', server);
    assert.deepEqual(await attach(volume, server), { device: '/dev/vda' });
    await assert.rejects(detach(volume, server), { code: 'guest-busy' });
    const tuned = { volumeId: volume.id, serverId: server, iotune: { total_iops_sec: 9 } };
    await lab.handlers['disk.tune'](tuned, lab.context);
    await lab.run('destroy', server);
    assert.deepEqual(await detach(volume, server), {});
    assert.equal(await hasSecret(volume), false);
  });
});

describe('a guest that does not answer and is reset', function () {
  this.timeout(120_000);
  const DETACH_TIMEOUT_MS = 60_000;

  it('lets go before its time is up', async () => {
    await using lab = await Lab.open({ detachTimeoutMs: DETACH_TIMEOUT_MS });
    const [server, volume] = [await lab.deafGuest('reset'), await lab.volume()];
    await lab.run('start', server);
    await lab.handlers['disk.attach'](lab.attachment(volume, server), lab.context);
    const began = performance.now();
    const input = { volumeId: volume.id, serverId: server, connection: null };
    const done = new AbortController();
    const detached = lab.handlers['disk.detach'](input, lab.context).finally(() => done.abort());
    // The first may come before the guest has been asked.
    while (!done.signal.aborted) {
      await sleep(100);
      await lab.run('reset', server);
    }
    await detached;
    assert.ok(performance.now() - began < DETACH_TIMEOUT_MS);
    for (const xml of await lab.definitions(server)) assert.deepEqual(listDisks(xml), []);
    // The target may learn of the logout a moment later.
    while ((await lab.sessions(volume)) > 0) await sleep(50);
    await lab.run('destroy', server);
  });
});
