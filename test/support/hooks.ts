import { stopSharedLab } from './lab.ts';
import { stopSharedServers } from './servers.ts';

/** Mocha calls this once, after everything. */
export async function mochaGlobalTeardown(): Promise<void> {
  await stopSharedLab();
  await stopSharedServers();
}
