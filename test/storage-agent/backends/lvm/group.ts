import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Runner, systemRunner } from '#agent/run.ts';

const GIB = 1024 ** 3;

/** A volume group of one's own. */
export interface Group extends AsyncDisposable {
  readonly name: string;
  /**
   * Real LVM on real metadata, told to leave the kernel's device-mapper alone (`--driverloaded n`), so that it works where
   * there is none. Volumes therefore have no device: blkdiscard is noted and not run.
   */
  readonly runner: Runner;
  /** The devices that would have been wiped, with blkdiscard's options. */
  readonly wiped: string[];
  lvm(program: string, ...args: string[]): Promise<string>;
}

/** @returns null where there is no LVM, no loop device or no root. */
export async function makeGroup(): Promise<Group | null> {
  if (process.getuid?.() !== 0 || !existsSync('/sbin/lvm') || !existsSync('/dev/loop-control')) return null;
  const folder = await mkdtemp(join(tmpdir(), 'by-lvm-'));
  const file = join(folder, 'disk');
  await writeFile(file, '');
  await truncate(file, 4 * GIB);
  const name = `bytest${randomBytes(4).toString('hex')}`;
  const device = (await systemRunner.run('losetup', ['--find', '--show', file])).stdout.trim();
  const env = { LVM_SUPPRESS_FD_WARNINGS: '1' };
  const lvm = async (program: string, ...args: string[]): Promise<string> => {
    const all = ['--driverloaded', 'n', '--devices', device, ...args];
    return (await systemRunner.run(program, all, { env })).stdout;
  };
  await lvm('vgcreate', '-y', name, device);
  const wiped: string[] = [];
  return {
    name,
    wiped,
    lvm,
    runner: {
      async run(program, args, options) {
        if (program !== 'blkdiscard')
          return systemRunner.run(program, ['--driverloaded', 'n', ...args], options);
        wiped.push(args.join(' '));
        return { exitCode: 0, stdout: '', stderr: '' };
      },
    },
    async [Symbol.asyncDispose]() {
      await lvm('vgremove', '-y', '-f', name);
      await systemRunner.run('losetup', ['--detach', device]);
      await rm(folder, { recursive: true });
    },
  };
}
