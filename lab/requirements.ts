import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';

const PROGRAMS = [
  'qemu-system-x86_64',
  'qemu-img',
  'mmdebstrap',
  'mke2fs',
  'cpio',
  'ssh',
  'ssh-keygen',
  'apt-get',
];

/**
 * Why this machine can have no lab, in words for people; undefined when it can.
 * `BLOCKYARD_LAB=off` says that nobody wants one (and `long`, that its longest tests are wanted too).
 */
export async function whyNoLab(): Promise<string | undefined> {
  if (process.env['BLOCKYARD_LAB'] === 'off') return 'BLOCKYARD_LAB=off';
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `its image is for x86-64 Linux, this is ${process.platform} ${process.arch}`;
  const missing = [];
  for (const program of PROGRAMS) if (!(await isInstalled(program))) missing.push(program);
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const { exitCode, stderr } = await execa('qemu-system-x86_64', ['--version'], {
    reject: false,
    timeout: 10_000,
  });
  return exitCode === 0 ? undefined : `QEMU does not run here: ${stderr}`;
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'])
    if (
      await access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  return false;
}
