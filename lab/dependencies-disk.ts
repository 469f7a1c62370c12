import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Runner, systemRunner } from '#agent/run.ts';
import type { Disk } from './machine/qemu.ts';

const MIB = 2 ** 20;

/** Both machines want it at the same time. */
const making = new Map<string, Promise<void>>();

/**
 * A read-only disk with a copy of the tree's `node_modules`, Node among them. Made once per state of the installed
 * packages, in seconds: cold, it is read several times as fast as the shared tree.
 */
export async function dependenciesDisk(
  cacheDir: string,
  tree: string,
  runner: Runner = systemRunner,
): Promise<Disk> {
  const folder = join(tree, 'node_modules');
  const installed = await readFile(join(folder, '.package-lock.json'));
  const path = join(
    cacheDir,
    `dependencies-${createHash('sha256').update(installed).digest('hex').slice(0, 16)}`,
  );
  if (!existsSync(path)) {
    const made = making.get(path) ?? makeDisk(folder, path, runner);
    making.set(path, made);
    await made.finally(() => making.delete(path));
  }
  return { serial: 'dependencies', path, readonly: true };
}

async function makeDisk(folder: string, path: string, runner: Runner): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.draft`;
  try {
    const { stdout } = await runner.run('du', ['--summarize', '--block-size=1', folder]);
    const size = Math.ceil((Number.parseInt(stdout, 10) * 1.2) / MIB) + 64;
    const format = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-i', '8192', '-m', '0'];
    await runner.run('mke2fs', [...format, '-d', folder, draft, `${size}M`], {
      timeoutMs: 300_000,
      env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
