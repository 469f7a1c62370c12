import { setTimeout as sleep } from 'node:timers/promises';
import { CINDER_BINARIES } from '#schema/services.ts';
import type { Stack } from './environment.ts';

const DEADLINE_MS = 60_000;

/**
 * Resolves when `GET /` of the API answers.
 * @throws Error after a minute, or at the third crash of a process.
 */
export async function answers(stack: Stack): Promise<void> {
  await until(stack, 'the API did not answer', async () => (await fetch(stack.apiUrl)).status < 500);
}

/**
 * Resolves when the API answers, and all other processes have reported to it since this stack started.
 * @param besides services that a process tells of later: `cinder-backup`, once its store is open.
 */
export async function servicesUp(stack: Stack, besides: readonly string[] = []): Promise<void> {
  await answers(stack);
  const url = `${stack.apiUrl}/v3/${stack.project}/os-services`;
  const processes = [...stack.processes.keys()]
    .filter((name) => name !== 'api')
    .map((name): string => CINDER_BINARIES[`blockyard-${name}` as keyof typeof CINDER_BINARIES]);
  const wanted = [...processes, ...besides];
  await until(stack, `not all of ${wanted.join(', ')} came up`, async () => {
    const response = await fetch(url, { headers: { 'X-Auth-Token': stack.adminToken } });
    const { services } = (await response.json()) as { services: Service[] };
    // A service of an earlier run counts as up for a minute: it must have been heard since.
    const fresh = services.filter(({ updated_at }) => new Date(`${updated_at}Z`) >= stack.since);
    return wanted.every((name) => fresh.some(({ binary, state }) => binary === name && state === 'up'));
  });
}

/** The part of an os-services entry that counts here; times are UTC without saying so. */
interface Service {
  readonly binary: string;
  readonly state: string;
  readonly updated_at: string;
}

async function until(stack: Stack, failure: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await holds().catch(() => false))) {
    const crashing = [...stack.processes.values()].find(({ restarts }) => restarts >= 3);
    if (crashing !== undefined) throw new Error(`${failure}: the process "${crashing.name}" keeps ending`);
    if (performance.now() > deadline) throw new Error(`${failure} within ${DEADLINE_MS / 1000} s`);
    await sleep(50);
  }
}
