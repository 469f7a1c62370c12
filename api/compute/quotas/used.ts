import { type Kysely, sql } from 'kysely';
import type { ProjectId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

export interface UsedByServers {
  readonly totalInstancesUsed: number;
  readonly totalCoresUsed: number;
  readonly totalRAMUsed: number;
}

/** What a project's servers add up to, in the words of Nova's limits. */
export async function serversOf(db: Kysely<Tables>, project: ProjectId): Promise<UsedByServers> {
  const used = await db
    .selectFrom('servers')
    .select([
      sql<number>`COUNT(*)`.as('instances'),
      sql<string | null>`SUM(vcpus)`.as('cores'),
      sql<string | null>`SUM(memory_mib)`.as('ram'),
    ])
    .where('project_id', '=', project)
    .where('status', '!=', 'DELETED')
    .executeTakeFirstOrThrow();
  return {
    totalInstancesUsed: used.instances,
    totalCoresUsed: Number(used.cores),
    totalRAMUsed: Number(used.ram),
  };
}
