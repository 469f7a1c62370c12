import { constants, existsSync } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { Image } from '../image/build.ts';

export type Accelerator = 'kvm' | 'tcg';

const PROBE_MS = 8_000;

/**
 * KVM where a kernel boots under it within seconds, else emulation: some hosts offer a /dev/kvm that hangs. The answer is
 * kept beside the image until the host's next boot. `BLOCKYARD_LAB_ACCEL=tcg` or `kvm` decides without a probe.
 */
export async function findAccelerator(image: Image): Promise<Accelerator> {
  const given = process.env['BLOCKYARD_LAB_ACCEL'];
  if (given === 'kvm' || given === 'tcg') return given;
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!usable) return 'tcg';
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const answer = join(dirname(image.kernel), `accelerator-${boot}`);
  if (existsSync(answer)) return (await readFile(answer, 'utf8')) === 'kvm' ? 'kvm' : 'tcg';
  const accelerator = (await boots(image)) ? 'kvm' : 'tcg';
  await writeFile(answer, accelerator);
  return accelerator;
}

/** Without disks our initial RAM disk says so: then kernel and user space run. */
async function boots(image: Image): Promise<boolean> {
  const hardware = '-nodefaults -no-user-config -display none -machine q35 -accel kvm -cpu host -m 512';
  const args = [
    ...hardware.split(' '),
    '-kernel',
    image.kernel,
    '-initrd',
    image.initrd,
    '-append',
    'console=ttyS0 quiet panic=-1',
    '-serial',
    'stdio',
    '-no-reboot',
  ];
  const { stdout } = await execa('qemu-system-x86_64', args, {
    reject: false,
    stdin: 'ignore',
    timeout: PROBE_MS,
    killSignal: 'SIGKILL',
  });
  return stdout?.includes('lab: no root disk') ?? false;
}
