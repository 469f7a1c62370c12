import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepUsed, prune } from '#lab/cache.ts';

const DAY_MS = 24 * 3_600_000;

describe("the lab's cache", () => {
  let cache: string;
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), 'by-cache-'));
  });
  afterEach(async () => {
    await rm(cache, { recursive: true });
  });

  /** Last used so many days ago. */
  async function entry(name: string, days: number, folder = true): Promise<string> {
    const path = join(cache, name);
    if (folder) await mkdir(path);
    await writeFile(folder ? join(path, 'root.qcow2') : path, 'data');
    const then = new Date(Date.now() - days * DAY_MS);
    await utimes(path, then, then);
    return path;
  }

  it('forgets what nobody has used for a week, images, disks and drafts', async () => {
    await entry('d2750763020963a2', 8);
    await entry('e70f3e44fe55c6c0', 6);
    await entry('dependencies-23dab8deb9be7434', 30, false);
    await entry('dependencies-aaaaaaaaaaaaaaaa', 0, false);
    await entry('d2750763020963a2.draft-x1', 9);
    await prune(cache);
    assert.deepEqual((await readdir(cache)).toSorted(), [
      'dependencies-aaaaaaaaaaaaaaaa',
      'e70f3e44fe55c6c0',
    ]);
  });

  it('keeps what a lab uses, however old it is', async () => {
    const [image, disk, other] = [
      await entry('image', 400),
      await entry('disk', 400, false),
      await entry('other', 400),
    ];
    const used = await keepUsed([image, disk]);
    await prune(cache);
    assert.deepEqual([image, disk, other].map(existsSync), [true, true, false]);
    assert.ok(Date.now() - (await stat(image)).mtimeMs < 60_000);
    await prune(cache, new Date(Date.now() + 6 * DAY_MS));
    assert.deepEqual([image, disk].map(existsSync), [true, true]);
    used[Symbol.dispose]();
  });

  it('is pruned by several at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => entry(`image-${index}`, 10)));
    await Promise.all(Array.from({ length: 4 }, () => prune(cache)));
    assert.deepEqual(await readdir(cache), []);
  });
});
