import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { receive } from '#api/image/data/receive.ts';

const MIB = 1024 ** 2;

describe('data that are nothing but zeroes for long', () => {
  it('let their file grow all the same: one that stands still is taken for given up', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'by-sparse-'));
    try {
      await using file = await open(join(dir, 'data'), 'w+');
      const sizes: number[] = [];
      async function* zeroes(): AsyncGenerator<Buffer> {
        for (let sent = 0; sent < 4; sent += 1) {
          yield Buffer.alloc(MIB);
          sizes.push((await file.stat()).size);
        }
      }
      const declared = { format: 'raw', encrypted: false } as const;
      const { size } = await receive(Readable.from(zeroes()), file, declared, 8 * MIB);
      assert.equal(size, 4 * MIB);
      assert.ok((sizes.at(-1) ?? 0) >= 2 * MIB, `it had ${sizes.join(', ')} bytes after each MiB`);
      const { size: whole, blocks } = await file.stat();
      assert.deepEqual([whole, blocks], [4 * MIB, 0]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
