import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Backend } from '#storage-agent/backends/backend.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** What every backend must do; `make` gives a fresh, empty one. Sizes are multiples of any allocation unit. */
export function itIsABackend(make: () => Promise<Backend>): void {
  let backend: Backend;
  const id = (): string => randomUUID();

  before(async () => {
    backend = await make();
  });

  it('makes a volume of the size asked for, and makes it only once', async () => {
    const volume = id();
    assert.equal(await backend.activate(volume), false);
    assert.equal(await backend.ensure(volume, 64 * MIB), 64 * MIB);
    assert.equal(await backend.ensure(volume, 64 * MIB), 64 * MIB);
    assert.equal(await backend.activate(volume), true);
  });

  it('grows, and never shrinks', async () => {
    const volume = id();
    await backend.ensure(volume, 64 * MIB);
    assert.equal(await backend.grow(volume, 128 * MIB), 128 * MIB);
    assert.equal(await backend.grow(volume, 64 * MIB), 128 * MIB);
    assert.equal(await backend.ensure(volume, 64 * MIB), 128 * MIB);
    assert.equal(await backend.ensure(volume, 192 * MIB), 192 * MIB);
  });

  it('says not-found when a volume that is not there should grow', async () => {
    await assert.rejects(backend.grow(id(), 64 * MIB), { name: 'TaskError', code: 'not-found' });
  });

  it('removes a volume; one that is gone already is success', async () => {
    const volume = id();
    await backend.ensure(volume, 64 * MIB);
    await backend.absent(volume);
    assert.equal(await backend.activate(volume), false);
    await backend.absent(volume);
    await backend.absent(id());
  });

  it('keeps volumes apart, made at the same time', async () => {
    const volumes = Array.from({ length: 16 }, id);
    await Promise.all(volumes.map((volume) => backend.ensure(volume, 64 * MIB)));
    assert.equal(new Set(volumes.map((volume) => backend.devicePath(volume))).size, volumes.length);
    await Promise.all(volumes.slice(1).map((volume) => backend.absent(volume)));
    assert.equal(await backend.activate(volumes[0] ?? ''), true);
  });

  for (const bad of ['', '..', '../x', 'x/../../y', `${id()}/..`, `${id()}\n`, '-h', `${id()}x`]) {
    it(`refuses the id ${JSON.stringify(bad).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<uuid>')}`, async () => {
      const invalid = { name: 'TaskError', code: 'invalid' };
      await assert.rejects(backend.ensure(bad, MIB), invalid);
      await assert.rejects(backend.grow(bad, MIB), invalid);
      await assert.rejects(backend.absent(bad), invalid);
      await assert.rejects(backend.activate(bad), invalid);
      assert.throws(() => backend.devicePath(bad), invalid);
    });
  }

  it('reports its space', async () => {
    const { totalGib, freeGib } = await backend.capacity();
    assert.ok(totalGib > 0);
    assert.ok(freeGib >= 0 && freeGib <= totalGib);
  });

  it('lists what there is, ours and not', async () => {
    const volume = id();
    await backend.ensure(volume, 64 * MIB);
    const mine = async () => (await backend.items())?.find((item) => item.id === volume);
    assert.deepEqual(await mine(), {
      kind: 'volume',
      name: `volume-${volume}`,
      id: volume,
      sizeBytes: 64 * MIB,
      origin: null,
      open: (await mine())?.open,
      unfit: null,
    });
    await backend.remove('volume', volume);
    assert.equal(await mine(), undefined);
    await backend.remove('volume', volume);
  });

  it('gives a volume another name, and takes it back, however often it is asked', async () => {
    const [volume, again] = [id(), id()];
    const name = `unmanaged-${volume}`;
    const lies = async () => (await backend.items())?.filter((item) => item.name.includes(volume));
    await backend.ensure(volume, 64 * MIB);
    for (let time = 0; time < 2; time += 1) {
      await backend.release(volume, name);
      assert.deepEqual(
        (await lies())?.map(({ kind, name }) => [kind, name]),
        [['foreign', name]],
      );
    }
    // Never over somebody else's.
    await backend.ensure(again, 64 * MIB);
    await assert.rejects(backend.release(again, name), { code: 'refused' });
    await backend.absent(again);
    await assert.rejects(backend.adopt(volume, 'not-there', GIB), { code: 'not-found' });
    await assert.rejects(backend.adopt(volume, name, 3 * GIB), { code: 'refused', message: /size/ });
    for (let time = 0; time < 2; time += 1) {
      assert.equal(await backend.adopt(volume, name, GIB), GIB);
      assert.deepEqual(
        (await lies())?.map(({ kind, sizeBytes }) => [kind, sizeBytes]),
        [['volume', GIB]],
      );
    }
    await backend.absent(volume);
    await assert.rejects(backend.adopt(volume, '../somewhere', GIB), { code: 'invalid' });
    await assert.rejects(backend.release(volume, '../somewhere'), { code: 'invalid' });
    await assert.rejects(backend.release(volume, name), { code: 'not-found' });
    assert.deepEqual(await lies(), []);
  });
}
