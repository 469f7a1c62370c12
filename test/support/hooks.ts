import type { TornDown } from '#stack/reporter.ts';
import { stopSharedLab } from './lab.ts';
import { nameWhatKeepsAlive } from './left-open.ts';
import { stopSharedServers } from './servers.ts';

/** Mocha calls this once, after everything. */
export async function mochaGlobalTeardown(): Promise<void> {
  const began = Date.now();
  await stopSharedLab();
  const labStopped = Date.now();
  await stopSharedServers();
  process.send?.({ labMs: labStopped - began, serversMs: Date.now() - labStopped } satisfies TornDown);
  nameWhatKeepsAlive();
}
