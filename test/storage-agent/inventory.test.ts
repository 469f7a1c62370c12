import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageInventory } from '#schema/inventory.ts';
import type { OpenBackend } from '#storage-agent/backends/open.ts';
import { storageLister } from '#storage-agent/inventory.ts';
import type { Target } from '#storage-agent/targets/target.ts';

describe('the inventory of a storage host', () => {
  // Where they lie their configuration and the file system say: none of them is opened.
  it('tells which back ends mean one place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'by-places-'));
    await mkdir(join(folder, 'more'));
    await symlink(folder, join(folder, 'linked'));
    const configs = [
      { kind: 'file', name: 'a', path: folder },
      { kind: 'file', name: 'b', path: join(folder, 'linked') },
      { kind: 'file', name: 'c', path: join(folder, 'more') },
      { kind: 'lvm', name: 'd', vg: 'vg1' },
      { kind: 'lvm', name: 'e', vg: 'vg1' },
      { kind: 'lvm-thin', name: 'f', vg: 'vg1', pool: 'thin' },
      { kind: 'lvm-thin', name: 'g', vg: 'vg2', pool: 'thin' },
    ];
    const list = storageLister({
      backends: configs.map(
        (config) => ({ config, backend: { items: async () => [] } }) as unknown as OpenBackend,
      ),
      target: { inventory: async () => null } as unknown as Target,
      bootId: async () => 'boot',
    });
    const { backends } = storageInventory.parse(await list());
    const together = Map.groupBy(backends, ({ place }) => place);
    assert.deepEqual(
      [...together.values()].map((same) => same.map(({ name }) => name)),
      [['a', 'b'], ['c'], ['d', 'e'], ['f'], ['g']],
    );
    await rm(folder, { recursive: true });
  });
});
