import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Runner } from '#agent/run.ts';

/** Where the kernel shows LIO. */
export const LIO_ROOT = '/sys/kernel/config/target';

const CONFIGFS = '/sys/kernel/config';
const MODULES = ['target_core_mod', 'target_core_iblock', 'iscsi_target_mod'];

/**
 * Loads LIO's modules and mounts configfs, where they are missing.
 * @throws Error that says what is missing and what to do.
 */
export async function prepareKernel(runner: Runner): Promise<void> {
  const missing = MODULES.filter((name) => !existsSync(`/sys/module/${name}`));
  if (missing.length > 0) await load(runner, missing);
  if (!(await isMounted())) await mount(runner);
  if (!existsSync(LIO_ROOT))
    throw new Error(`LIO is not there: ${LIO_ROOT} does not exist although its modules are loaded`);
}

async function load(runner: Runner, modules: readonly string[]): Promise<void> {
  try {
    await runner.run('modprobe', ['-a', ...modules]);
  } catch (error) {
    throw new Error(
      `BLOCKYARD_TARGET=lio needs the kernel modules ${modules.join(', ')} and root to load them: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function mount(runner: Runner): Promise<void> {
  try {
    await runner.run('mount', ['-t', 'configfs', 'none', CONFIGFS]);
  } catch (error) {
    throw new Error(`BLOCKYARD_TARGET=lio needs configfs at ${CONFIGFS}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function isMounted(): Promise<boolean> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[1] === CONFIGFS);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
