import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Runner, type RunOptions, systemRunner } from '#agent/run.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { openBackend } from '#test/storage-agent/backends/opened.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** A volume group on a loop device, with a thin pool of 512 MiB and 1.5 GiB for thick volumes. */
export interface LabGroup extends AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  /** The disk below: what is found in it can be read by whoever gets its blocks. */
  readonly file: string;
  /** Command lines since the last `count`. */
  readonly commands: string[];
  /** How many programs `work` starts. */
  count(work: () => Promise<unknown>): Promise<number>;
  open(kind: 'lvm' | 'lvm-thin', options?: string, runner?: Runner): Promise<Backend>;
  readonly runner: Runner;
  run(program: string, ...args: readonly string[]): Promise<string>;
  lvs(fields: string): Promise<string[]>;
  path(name: string): string;
}

export async function makeLabGroup(): Promise<LabGroup> {
  const folder = await mkdtemp('/var/tmp/by-lvm-');
  const file = join(folder, 'disk');
  await writeFile(file, '');
  await truncate(file, 2 * GIB + 64 * MIB);
  const run = async (program: string, ...args: readonly string[]): Promise<string> =>
    (await systemRunner.run(program, args, { env: { LVM_SUPPRESS_FD_WARNINGS: '1' }, timeoutMs: 120_000 }))
      .stdout;
  await run('modprobe', 'loop');
  const device = (await run('losetup', '--find', '--show', file)).trim();
  const name = `bytest${randomBytes(4).toString('hex')}`;
  await run('vgcreate', '--devices', device, '-y', name, device);
  // A full pool fails at once instead of waiting a minute for somebody to make it larger.
  const pool = ['-y', '-T', '--errorwhenfull', 'y', '-L', '512m', '-n', 'pool'];
  await run('lvcreate', '--devices', device, ...pool, name);
  const commands: string[] = [];
  const counting: Runner = {
    run(program: string, args: readonly string[], options?: RunOptions) {
      commands.push([program, ...args].join(' '));
      return systemRunner.run(program, args, options);
    },
  };
  return {
    name,
    folder,
    file,
    commands,
    runner: counting,
    async count(work) {
      commands.length = 0;
      await work();
      return commands.length;
    },
    open: (kind, options = '', runner = counting) =>
      openBackend(`${kind}:name=a,vg=${name}${kind === 'lvm' ? '' : ',pool=pool'}${options}`, runner),
    run,
    async lvs(fields) {
      const text = await run('lvs', '--devices', device, '--noheadings', '-o', fields, name);
      return text
        .split('\n')
        .map((line) => line.trim().replaceAll(/\s+/g, ' '))
        .filter((line) => line !== '' && !/^pool\b/.test(line));
    },
    path: (lv) => `/dev/${name}/${lv}`,
    async [Symbol.asyncDispose]() {
      await run('vgremove', '--devices', device, '-y', '-ff', name);
      await run('losetup', '--detach', device);
      await rm(folder, { recursive: true });
    },
  };
}
