import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { folderOf, placeOf } from './backends.ts';

const MARK_BYTES = 65_536;
/** Beginning, middle and end of the first GiB. */
const MARKS_AT = [0, 300 * 2 ** 20, 2 ** 30 - MARK_BYTES];

/** What volumes hold: each is given data of its own at the beginning, which must never change again. */
export class VolumeData {
  readonly #runDir: string;
  readonly #folder: string;
  readonly #images: string;

  constructor(runDir: string) {
    this.#runDir = runDir;
    this.#folder = folderOf(runDir, 'files');
    this.#images = join(runDir, 'state/images');
  }

  /** Gives a new volume data; while nobody has it. */
  async mark(volume: string): Promise<void> {
    await using file = await open(await this.pathOf(volume), 'r+');
    for (const [index, at] of MARKS_AT.entries()) await file.write(mark(volume, index), 0, MARK_BYTES, at);
    await file.sync();
  }

  /** The volume holds what the other one was given, and what nobody wrote to is still zero. */
  async verify(volume: string, of = volume): Promise<void> {
    await verifyFile(await this.pathOf(volume), of);
  }

  async verifyUnmanaged(volume: string): Promise<void> {
    await verifyFile(join(this.#folder, `unmanaged-${volume}`), volume);
  }
  /** Former ids of volumes that are no more, whose data are still there. */
  async unmanaged(): Promise<string[]> {
    const names = await readdir(this.#folder);
    return names
      .filter((name) => /^unmanaged-.{36}$/.test(name))
      .map((name) => name.slice('unmanaged-'.length));
  }

  async verifyUnmanagedSnapshot(snapshot: string, of: string): Promise<void> {
    await verifyFile(join(this.#folder, `unmanaged-snapshot-${snapshot}-of-${of}`), of);
  }
  /** Former ids of this volume's snapshots that are no more, whose data are still there. */
  async unmanagedSnapshots(of: string): Promise<string[]> {
    const names = await readdir(this.#folder);
    return names.flatMap((name) => new RegExp(`^unmanaged-snapshot-(.{36})-of-${of}$`).exec(name)?.[1] ?? []);
  }

  /** Nothing was written to it. */
  async verifyEmpty(volume: string): Promise<void> {
    const { size, blocks } = await stat(await this.pathOf(volume));
    assert.deepEqual({ size, blocks }, { size: 2 ** 30, blocks: 0 });
  }

  async verifySnapshot(snapshot: string, of: string): Promise<void> {
    await verifyFile(join(this.#folder, `snapshot-${snapshot}`), of);
  }

  async verifyImage(image: string, of: string): Promise<void> {
    // It says so, with an exit code, when they differ.
    await systemRunner.run('qemu-img', [
      'compare',
      '-U',
      '-f',
      'qcow2',
      '-F',
      'raw',
      await this.imagePath(image),
      await this.pathOf(of),
    ]);
  }
  async imagePath(image: string): Promise<string> {
    const [name] = (await readdir(this.#images, { recursive: true })).filter((each) => each.endsWith(image));
    assert.ok(name !== undefined, `image ${image} has no data`);
    return join(this.#images, name);
  }

  /** What the image holds from which volumes are made, as raw data. */
  static image(): Buffer {
    const data = Buffer.alloc(IMAGE_BYTES);
    // No zeroes: it must take several batches to fetch.
    for (let at = 0; at < IMAGE_BYTES; at += MARK_BYTES) mark('image', at).copy(data, at);
    return data;
  }

  async verifyImaged(volume: string): Promise<void> {
    await using file = await open(await this.pathOf(volume), 'r');
    const { buffer } = await file.read(Buffer.alloc(IMAGE_BYTES), 0, IMAGE_BYTES, 0);
    assert.ok(buffer.equals(VolumeData.image()), `volume ${volume} does not hold the image`);
  }

  async sizeOf(volume: string): Promise<number> {
    return (await stat(await this.pathOf(volume))).size;
  }

  pathOf(id: string): Promise<string> {
    return placeOf(this.#runDir, `volume-${id}`);
  }
}

const IMAGE_BYTES = 12 * 2 ** 20;

async function verifyFile(path: string, of: string): Promise<void> {
  await using file = await open(path, 'r');
  for (const [index, at] of MARKS_AT.entries()) {
    const { buffer } = await file.read(Buffer.alloc(MARK_BYTES), 0, MARK_BYTES, at);
    assert.ok(buffer.equals(mark(of, index)), `${path} does not hold at ${at} what was written to ${of}`);
  }
  const written = (await file.stat()).blocks * 512;
  const marked = MARKS_AT.length * MARK_BYTES;
  assert.ok(
    written < 2 * marked + 2 ** 20,
    `${written} bytes were written to ${path}, and ${marked} should have been`,
  );
}

/** The same of data that pass by, as many as a volume of a GiB has. */
export async function verifyStream(data: AsyncIterable<Buffer>, of: string): Promise<void> {
  let at = 0;
  for await (const chunk of data) {
    for (const [index, from] of MARKS_AT.entries()) {
      const [begin, end] = [Math.max(at, from), Math.min(at + chunk.length, from + MARK_BYTES)];
      if (begin >= end) continue;
      const wanted = mark(of, index).subarray(begin - from, end - from);
      assert.ok(
        chunk.subarray(begin - at, end - at).equals(wanted),
        `there is not at ${begin} what was written to ${of}`,
      );
    }
    at += chunk.length;
  }
  assert.equal(at, 2 ** 30);
}

function mark(volume: string, index: number): Buffer {
  const word = createHash('sha512').update(`${volume} ${index}`).digest();
  return Buffer.alloc(MARK_BYTES, word);
}
