import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';
import { AwayRig, type Guest } from './rig.ts';

describe('a storage host that is lost for good', function () {
  this.timeout(400_000);
  let rig: AwayRig;
  let guest: Guest;
  let tgtd: TgtdServer | undefined;
  before(async () => {
    rig = await AwayRig.start();
    guest = await rig.guest('guest');
  });
  after(async () => {
    await guest?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
    await tgtd?.stop();
  });

  const storage = () => rig.stack.processes.get('storage')!;

  /** All that was on the machine: the agent and its journal, the target, the volumes. */
  async function lose(): Promise<void> {
    const { runDir, servers } = rig.stack;
    await storage().stop('SIGKILL');
    process.kill(servers.tgtd!.pid, 'SIGKILL');
    await servers.tgtd!.stop();
    for (const folder of ['volumes', 'state/storage'])
      await rm(join(runDir, folder), { recursive: true, force: true });
    await rig.silent('storage');
  }

  /** Another machine of the same names, with nothing on it. */
  async function replace(): Promise<void> {
    const { runDir, servers } = rig.stack;
    await mkdir(join(runDir, 'volumes'));
    tgtd = await startTgtd({ dir: join(runDir, 'tgt'), port: servers.iscsiPort! });
    storage().start();
  }

  const attached = async (): Promise<string> => {
    const volume = await rig.newVolume();
    await rig.attach(guest, volume);
    await rig.volumeIs(volume, 'in-use');
    await rig.diskOf(guest, volume);
    return volume;
  };
  const newest = async (volume: string) => (await rig.operations(volume))[0];
  const ended = (volume: string) =>
    rig.until(`${volume} is done with`, async () => (await newest(volume)).ended_at !== null);
  const statusOf = async (volume: string) => (await rig.volumes('GET', `/${volume}`)).body.volume?.status;
  const missing = async (): Promise<string[]> => {
    const { differences } = (await rig.call('GET', `/v3/${rig.stack.project}/drift`)).body;
    return differences
      .filter(({ kind }: { kind: string }) => kind === 'volume-missing')
      .map((each: { volume_id: string; repair: string }) => {
        assert.match(each.repair, /put them back under this name, or delete the volume/);
        return each.volume_id;
      });
  };

  it('ends what waited for it once an empty one has its names; drift tells what has gone, and that can be deleted', async () => {
    const [goes, stays, grows] = [await rig.newVolume(), await rig.newVolume(), await rig.newVolume()];
    const [leaves, used] = [await attached(), await attached()];
    rig.stops.arm('grow.grown');
    await rig.volumes('POST', `/${grows}/action`, { 'os-extend': { new_size: 2 } });
    await rig.stops.reached('grow.grown');
    rig.stops.arm('volume.allocated');
    const made = (await rig.volumes('POST', '', { volume: { size: 1 } })).body.volume.id;
    await rig.stops.reached('volume.allocated');
    await lose();
    rig.stops.release();
    assert.equal((await rig.volumes('DELETE', `/${goes}`)).status, 202);
    assert.equal((await rig.detach(guest, leaves)).status, 202);
    for (const volume of [goes, grows, made, leaves])
      await rig.until('it waits and says so', async () =>
        /^storage host \S+ is down/.test((await newest(volume)).waiting?.reason ?? ''),
      );

    await replace();
    const began = performance.now();
    await Promise.all([goes, grows, made, leaves].map(ended));
    console.log(`        all over after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    assert.deepEqual(
      await Promise.all([goes, grows, made, leaves].map(async (id) => (await newest(id)).state)),
      ['done', 'undone', 'done', 'done'],
    );
    assert.match((await newest(grows)).error, /the volume does not exist on this backend/);
    // Nothing but drift shows that their data have gone.
    assert.deepEqual(await Promise.all([stays, grows, made, leaves, used].map(statusOf)), [
      'available',
      'available',
      'available',
      'available',
      'in-use',
    ]);
    assert.deepEqual(new Set(await missing()), new Set([stays, grows, leaves, used]));

    await rig.attach(guest, stays);
    await ended(stays);
    assert.match((await newest(stays)).error, /the volume does not exist on this backend/);
    await rig.detach(guest, used);
    await rig.volumeIs(used, 'available');
    for (const volume of [stays, grows, leaves, used, made]) {
      await rig.volumes('DELETE', `/${volume}`);
      await rig.until('it is deleted', async () => (await statusOf(volume)) === undefined);
    }
    assert.deepEqual(await missing(), []);
  });
});
