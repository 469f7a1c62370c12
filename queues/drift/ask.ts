import type { HostName } from '#schema/ids.ts';
import type { ComputeInventory, StorageInventory } from '#schema/inventory.ts';
import type { AgentKind } from '#schema/tasks.ts';
import type { Questions } from '../questions.ts';
import { placeOf } from './place-of.ts';
import type { Rows } from './rows.ts';

export interface Host {
  readonly kind: AgentKind;
  readonly host: string;
}

/** What a host has told, or why it has not. */
export type Answer = Host &
  ({ readonly inventory: StorageInventory | ComputeInventory } | { readonly reason: string });

/** Asks each host for its inventory, all at once. */
export async function askHosts(
  questions: Pick<Questions, 'ask'>,
  hosts: readonly Host[],
): Promise<readonly Answer[]> {
  return await Promise.all(
    hosts.map(async ({ kind, host }) => {
      try {
        const name = kind === 'storage' ? 'storage.inventory' : 'compute.inventory';
        return { kind, host, inventory: await questions.ask(host as HostName, name, {}) };
      } catch (error) {
        return { kind, host, reason: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

/** Every host that has an agent, a volume or an attachment. A server may be on any: all hypervisors are asked. */
export function hostsOf(rows: Rows, only: string | undefined): Host[] {
  const storage = new Set<string>();
  const compute = new Set<string>();
  for (const { binary, agent } of rows.services) {
    if (binary === 'blockyard-storage') storage.add(agent);
    if (binary === 'blockyard-compute') compute.add(agent);
  }
  for (const volume of rows.volumes.values()) {
    const place = placeOf(volume);
    if (place !== null) storage.add(place.agent);
  }
  for (const { host, managed } of rows.attachments) if (host !== null && managed === 1) compute.add(host);
  const wanted = (host: string): boolean => only === undefined || host === only;
  return [
    ...[...storage].filter(wanted).map((host) => ({ kind: 'storage' as const, host })),
    ...(only === 'mysql' || (only !== undefined && !compute.has(only))
      ? []
      : [...compute].map((host) => ({ kind: 'compute' as const, host }))),
  ];
}
