import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Runner } from '#agent/run.ts';
import { buildImage } from '#lab/image/build.ts';

/** Answers for apt as a Debian with this mirror does, and makes what mmdebstrap would download out of the machine. */
function pretender(mirror: string): { runner: Runner; built: string[][] } {
  const built: string[][] = [];
  return {
    built,
    runner: {
      async run(program, args) {
        if (program === 'apt-get')
          return { exitCode: 0, stderr: '', stdout: `Debian|bookworm|${mirror}|bookworm|main\n` };
        assert.equal(program, 'mmdebstrap');
        built.push([...args]);
        for (const hook of args.filter((arg) => arg.startsWith('--customize-hook=download')))
          await writeFile(/"([^"]*)"$/.exec(hook)![1]!, '');
        return { exitCode: 0, stderr: '', stdout: '' };
      },
    },
  };
}

describe('lab image', () => {
  let cache: string;
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), 'by-image-'));
  });
  afterEach(async () => {
    await rm(cache, { recursive: true });
  });

  it('is built once for the same inputs, from the host’s own mirror', async () => {
    const { runner, built } = pretender('http://mirror.example/debian/');
    const progress: string[] = [];
    const first = await buildImage(cache, (line) => progress.push(line), runner);
    const second = await buildImage(cache, (line) => progress.push(line), runner);
    assert.deepEqual(first, second);
    assert.equal(built.length, 1);
    assert.equal(progress.length, 1);
    assert.deepEqual(built[0]!.slice(-3), [
      'bookworm',
      '/dev/null',
      'deb http://mirror.example/debian/ bookworm main',
    ]);
    assert.deepEqual((await readdir(dirname(first.kernel))).toSorted(), ['initrd', 'root.qcow2', 'vmlinuz']);
  });

  it('is another one when an input changes', async () => {
    const one = await buildImage(cache, undefined, pretender('http://mirror.example/one/').runner);
    const two = await buildImage(cache, undefined, pretender('http://mirror.example/two/').runner);
    assert.notEqual(dirname(one.kernel), dirname(two.kernel));
  });

  it('leaves nothing half made when it cannot be built', async () => {
    const { runner } = pretender('http://mirror.example/debian/');
    const broken: Runner = {
      run: (program, args) =>
        program === 'mmdebstrap' ? Promise.reject(new Error('no network')) : runner.run(program, args),
    };
    await assert.rejects(buildImage(cache, undefined, broken), /no network/);
    assert.deepEqual(await readdir(cache), []);
  });
});
