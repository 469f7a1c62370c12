import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwayRig, type Guest } from './rig.ts';

const MIB = 1024 ** 2;
/** The guest's `churn` writes between 16 and 24 MiB. */
const WATCHED = 32 * MIB;

describe('hosts that are away', function () {
  this.timeout(400_000);
  let rig: AwayRig;
  before(async () => {
    rig = await AwayRig.start();
  });
  after(() => rig?.[Symbol.asyncDispose]());

  const agent = (name: 'storage' | 'compute') => rig.stack.processes.get(name)!;

  it('a storage host: deleting waits for it and says so; what would need it now fails at once', async () => {
    const [goes, stays] = [await rig.newVolume(), await rig.newVolume()];
    await agent('storage').stop('SIGKILL');
    assert.equal((await rig.volumes('DELETE', `/${goes}`)).status, 202);
    await sleep(1_200);
    await rig.silent('storage');
    const [operation] = await rig.operations(goes);
    assert.equal(operation.state, 'running');
    assert.equal(operation.waiting.host, rig.host);
    assert.match(operation.waiting.reason, /^storage host \S+ is down: its agent last reported 6\d s ago$/);
    assert.equal((await rig.volumes('GET', `/${goes}`)).body.volume.status, 'deleting');
    const messages = (await rig.call('GET', `/v3/${rig.stack.project}/messages`)).body.messages;
    assert.match(messages[0].user_message, /volume\.delete waits since .* storage host/);
    for (const refused of [
      await rig.volumes('POST', `/${stays}/action`, { 'os-extend': { new_size: 2 } }),
      await rig.volumes('POST', '', { volume: { size: 1, source_volid: stays } }),
      await rig.call('POST', `/v3/${rig.stack.project}/snapshots`, { snapshot: { volume_id: stays } }),
    ]) {
      assert.equal(refused.status, 409);
      assert.match(refused.body.conflictingRequest.message, /is down: its agent last reported \d+ s ago\.$/);
    }
    agent('storage').start();
    await rig.until('it is deleted', async () => (await rig.volumes('GET', `/${goes}`)).status === 404);
    assert.equal((await rig.operations(goes))[0].waiting, null);
    await rig.volumes('DELETE', `/${stays}`);
  });

  describe('a hypervisor', () => {
    let first: Guest;
    before(async () => {
      await rig.startOther();
      first = await rig.guest('first');
    });
    after(() => first?.[Symbol.asyncDispose]());

    it('detach by force: the old guest cannot write, another gets the volume, the host is cleared when it is back', async () => {
      const volume = await rig.newVolume();
      await rig.attach(first, volume);
      await rig.volumeIs(volume, 'in-use');
      const disk = await rig.diskOf(first, volume);
      await first.console.command(`write ${disk} 32 ${MIB} before`);
      await first.console.command(`churn ${disk}`);

      assert.equal((await rig.forceDetach(volume)).status, 409, 'not while the host is up');
      await agent('compute').stop('SIGKILL');
      assert.equal((await rig.detach(first, volume)).status, 202);
      await sleep(500);
      await rig.silent('compute');
      const [waits] = await rig.operations(volume);
      assert.deepEqual([waits.kind, waits.state, waits.waiting.host], ['volume.detach', 'running', rig.host]);
      assert.equal((await rig.volumes('GET', `/${volume}`)).body.volume.status, 'detaching');

      const began = performance.now();
      assert.equal((await rig.forceDetach(volume)).status, 202);
      await rig.volumeIs(volume, 'available');
      console.log(`        free after ${Math.round(performance.now() - began)} ms`);
      const [force, given] = await rig.operations(volume);
      assert.deepEqual([force.kind, force.state, given.state], ['volume.force-detach', 'done', 'undone']);
      assert.match(given.error, /detached by force/);
      // The guest goes on writing, as far as it knows.
      const free = await rig.sum(volume, WATCHED);
      await sleep(3_000);
      assert.equal(await rig.sum(volume, WATCHED), free, 'nothing reaches the volume any more');

      await using second = await rig.guest('second', 'other');
      await rig.attach(second, volume);
      await rig.volumeIs(volume, 'in-use');
      const there = await rig.diskOf(second, volume);
      await second.console.command(`write ${there} 32 ${MIB} after`);
      const owned = await rig.sum(volume, WATCHED);
      await sleep(1_000);
      assert.equal(await rig.sum(volume, WATCHED), owned, 'the other guest alone writes');

      agent('compute').start();
      const back = performance.now();
      await rig.until('the host is cleared', async () => (await pending()).length === 0);
      console.log(`        cleared ${Math.round(performance.now() - back)} ms after the agent's start`);
      // It did not let go: what it writes waits for ever.
      assert.equal(await first.state(), 'running');
      for (const xml of [await first.xml(), await first.xml('--inactive')]) assert.ok(!xml.includes(volume));
      assert.equal(await rig.sum(volume, WATCHED), owned);
      await second.console.command(`read ${there} 32 ${MIB}`);

      // And the volume may come back to it.
      await rig.detach(second, volume);
      await rig.volumeIs(volume, 'available');
      await rig.attach(first, volume);
      await rig.volumeIs(volume, 'in-use');
      assert.equal(await rig.sum(volume, WATCHED), owned);
      await rig.detach(first, volume);
      await rig.volumeIs(volume, 'available');
    });

    it('that has yet to be cleared takes the volume only then', async () => {
      const volume = await rig.newVolume();
      await rig.attach(first, volume);
      await rig.volumeIs(volume, 'in-use');
      await agent('compute').stop('SIGKILL');
      await first.kill();
      await rig.silent('compute');
      await rig.forceDetach(volume);
      await rig.volumeIs(volume, 'available');
      await rig.silent('compute', 0);
      const refused = await rig.attach(first, volume);
      assert.equal(refused.status, 409);
      assert.match(refused.body.conflictingRequest.message, /was taken from host \S+ by force/);
      agent('compute').start();
      await rig.until('the host is cleared', async () => (await pending()).length === 0);
      assert.deepEqual(
        [await first.state(), (await first.xml('--inactive')).includes(volume)],
        ['shut off', false],
      );
      assert.equal((await rig.attach(first, volume)).status, 200);
      await rig.volumeIs(volume, 'in-use');
      await rig.detach(first, volume);
      await rig.volumeIs(volume, 'available');
    });

    it('that dies in the middle of an attach: it ends with the reason, and the host is cleared when it is back', async () => {
      const volume = await rig.newVolume();
      rig.stops.arm('attach.connected');
      await rig.attach(first, volume);
      await rig.stops.reached('attach.connected');
      await agent('compute').stop('SIGKILL');
      rig.stops.release();
      const began = performance.now();
      await rig.volumeIs(volume, 'available');
      console.log(`        undone ${Math.round((performance.now() - began) / 1_000)} s after the death`);
      const [operation] = await rig.operations(volume);
      assert.equal(operation.state, 'undone');
      assert.match(operation.error, /^compute host \S+ is down: its agent last reported \d+ s ago$/);
      assert.equal((await pending()).length, 1);
      agent('compute').start();
      await rig.until('the host is cleared', async () => (await pending()).length === 0);
      assert.ok(!(await first.xml('--inactive')).includes(volume));
    });
  });

  const pending = () => rig.db.selectFrom('evictions').selectAll().execute();
});
