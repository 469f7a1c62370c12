import { setTimeout as sleep } from 'node:timers/promises';
import { CINDER_BINARIES } from '#schema/services.ts';
import type { Stack } from '#stack/environment.ts';

interface Service {
  readonly binary: string;
  readonly host: string;
  readonly state: string;
  readonly updated_at: string;
}

const DEADLINE_MS = 180_000;

/**
 * Resolves when both agents have reported since `since`.
 * @throws Error that names those that have not within three minutes.
 */
export async function agentsUp(stack: Stack, since: Date): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const services = await listServices(stack).catch(() => []);
    const fresh = services.filter(({ updated_at }) => new Date(`${updated_at}Z`) >= since);
    const missing = (['storage', 'compute'] as const).filter(
      (name) =>
        !fresh.some(({ binary, state }) => binary === CINDER_BINARIES[`blockyard-${name}`] && state === 'up'),
    );
    if (missing.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`no report of the agent on: ${missing.join(', ')}, within ${DEADLINE_MS / 1_000} s`);
    await sleep(250);
  }
}

async function listServices(stack: Stack): Promise<readonly Service[]> {
  const response = await fetch(`${stack.apiUrl}/v3/${stack.project}/os-services`, {
    headers: { 'X-Auth-Token': stack.adminToken },
  });
  return ((await response.json()) as { services: Service[] }).services;
}
