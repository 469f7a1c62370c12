import assert from 'node:assert/strict';
import { DriftRig, type Told } from './rig.ts';

const BUSY_MS = 20_000;
const WORKERS = 5;

describe('drift, while all is moving', function () {
  this.timeout(180_000);
  let rig: DriftRig;
  before(async () => {
    rig = await DriftRig.start();
    // A guest that is off lets go of everything at once.
    await rig.virsh('destroy', rig.server);
  });
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('tells of nothing that an operation explains, and of nothing afterwards', async () => {
    const until = performance.now() + BUSY_MS;
    const counts = { volumes: 0, looks: 0 };
    const differences: Told[] = [];
    const looking = (async () => {
      while (performance.now() < until) {
        const { body } = await rig.v3('GET', '/drift');
        counts.looks += 1;
        differences.push(...body.differences);
      }
    })();
    await Promise.all(
      Array.from({ length: WORKERS }, async (_, index) => {
        while (performance.now() < until) {
          await life(index);
          counts.volumes += 1;
        }
      }),
    );
    await looking;
    assert.deepEqual(differences, []);
    assert.deepEqual(await rig.drift(), []);
    console.log(`        ${counts.volumes} volumes lived and died during ${counts.looks} looks`);
  });

  /** All that can befall a volume. */
  async function life(index: number): Promise<void> {
    const volume = await rig.volume(`busy-${index}`);
    const { body } = await rig.v3('POST', '/snapshots', { snapshot: { volume_id: volume, force: true } });
    await rig.attach(volume);
    await rig.v3('POST', `/volumes/${volume}/action`, { 'os-extend': { new_size: 2 } });
    await rig.volumeIs(volume, 'in-use');
    await rig.call('DELETE', `${rig.serverPath}/os-volume_attachments/${volume}`);
    await rig.volumeIs(volume, 'available');
    const snapshot: string = body.snapshot.id;
    await gone(`/snapshots/${snapshot}`);
    await gone(`/volumes/${volume}`);
  }

  async function gone(path: string): Promise<void> {
    await rig.until(`404 of ${path}`, async () => {
      const { status } = await rig.v3('DELETE', path);
      return status === 404 ? true : undefined;
    });
  }
});
