import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageInventory } from '#schema/inventory.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { storageLister } from '#storage-agent/inventory.ts';
import type { Target } from '#storage-agent/targets/target.ts';

const LUKS1 = '11111111-1111-4111-8111-111111111111';
const LUKS2 = '22222222-2222-4222-8222-222222222222';
const CLEAR = '33333333-3333-4333-8333-333333333333';
const EMPTY = '44444444-4444-4444-8444-444444444444';

describe('the header that encrypted volumes begin with', () => {
  it('is told in the inventory: that of ours, not one that a guest makes by itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'by-luks-'));
    try {
      const magic = (version: number): Buffer =>
        Buffer.concat([Buffer.from('LUKS\u00ba\u00be', 'latin1'), Buffer.from([0, version])]);
      await writeFile(join(folder, `volume-${LUKS1}`), Buffer.concat([magic(1), Buffer.alloc(512)]));
      await writeFile(join(folder, `volume-${LUKS2}`), Buffer.concat([magic(2), Buffer.alloc(512)]));
      await writeFile(join(folder, `volume-${CLEAR}`), Buffer.alloc(512));
      await writeFile(join(folder, `volume-${EMPTY}`), '');
      await writeFile(join(folder, 'foreign'), magic(1));
      const backend = await createFileBackend(folder, {} as never);
      const list = storageLister({
        backends: [{ config: { kind: 'file', name: 'files', path: folder } as never, backend }],
        target: { inventory: async () => null } as unknown as Target,
        bootId: async () => 'boot',
      });
      const [files] = storageInventory.parse(await list()).backends;
      assert.deepEqual(
        files?.items?.map(({ id, luks }) => [id, luks]),
        [
          [null, undefined],
          [LUKS1, true],
          [LUKS2, false],
          [CLEAR, false],
          [EMPTY, false],
        ],
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
