import type { PoolName } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import type { AgentKind } from '#schema/tasks.ts';
import { FLOWS } from '../flows/index.ts';

interface Step {
  readonly name: string;
  readonly host: string;
  /** Where the volume lies that the operation holds; null: nowhere, or it holds a backup, which needs no more than its steps say. */
  readonly pool: PoolName | null;
}

/** The step's own host, and the one that has the volume: a hypervisor cannot let go of a disk whose target is away. */
export function neededHosts(
  kind: OperationKind,
  { name, host, pool }: Step,
): readonly { readonly agent: AgentKind; readonly host: string }[] {
  const agent = FLOWS[kind].rows.find((row) => row.name === name)?.on;
  if (agent === undefined || agent === 'conductor') return [];
  const own = { agent, host };
  return agent === 'compute' && pool !== null
    ? [own, { agent: 'storage', host: poolParts(pool).agent }]
    : [own];
}
