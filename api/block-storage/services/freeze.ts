/** Cinder's freeze, thaw and failover of a storage back end. */
import type { App, RequestContext } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import type { PoolName } from '#schema/ids.ts';
import { type ServiceRow, servicesOn } from './find.ts';
import { hostOrCluster, type Named } from './host-or-cluster.ts';

/** From here on a cluster may be named instead of a host. */
const CLUSTERS_SINCE = 26;
/** Where none may be named at any version. */
export const HOST_ONLY = Number.POSITIVE_INFINITY;

/**
 * A frozen back end takes no new volumes until it is thawed, and none of its volumes and snapshots is deleted, nor is a snapshot
 * taken; whoever has its volumes goes on.
 */
export async function freeze(context: RequestContext, named: Named): Promise<Reply> {
  return change(context, named, true);
}

export async function thaw(context: RequestContext, named: Named): Promise<Reply> {
  return change(context, named, false);
}

/** There is no replication, so this is refused in the words that a Cinder without it has. */
export async function failover(
  context: RequestContext,
  named: Named,
  clustersSince = CLUSTERS_SINCE,
): Promise<never> {
  const services = await backends(context, named, clustersSince);
  throw unchanged('replication_status', services, "['enabled', 'failed-over'] and must be up");
}

/** @throws ApiError 400 when one of these volumes lies on a back end that is frozen */
export async function refuseFrozen(
  { db }: App,
  volumes: readonly { readonly pool: PoolName | null }[],
): Promise<void> {
  const hosts = [...new Set(volumes.flatMap(({ pool }) => pool?.split('#')[0] ?? []))];
  if (hosts.length === 0) return;
  const frozen = await db
    .selectFrom('services')
    .select('id')
    .where('binary', '=', 'blockyard-storage')
    .where('host', 'in', hosts)
    .where('frozen', '=', 1)
    .limit(1)
    .executeTakeFirst();
  if (frozen !== undefined)
    throw invalidInput('Modification operations are not allowed on frozen storage backends.');
}

async function change(context: RequestContext, named: Named, frozen: boolean): Promise<Reply> {
  const services = await backends(context, named);
  const { numUpdatedRows } = await context.app.db
    .updateTable('services')
    .set({
      frozen: frozen ? 1 : 0,
      disabled: frozen ? 1 : 0,
      disabled_reason: frozen ? 'frozen' : '',
      updated_at: sqlTime(context.app.clock.now()),
    })
    .where(
      'id',
      'in',
      services.map(({ id }) => id),
    )
    .where('frozen', '=', frozen ? 0 : 1)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw unchanged('frozen', services, frozen ? 'False' : 'True');
  return { status: 200 };
}

/** @throws ApiError 400 when there is none. */
async function backends(
  context: RequestContext,
  named: Named,
  clustersSince = CLUSTERS_SINCE,
): Promise<ServiceRow[]> {
  const { host, cluster } = hostOrCluster(context, named, clustersSince);
  if (cluster !== '')
    throw badRequest(`No service found with cluster=${cluster.slice(0, 255).toWellFormed()}`);
  const services = await servicesOn(context.app, host, 'blockyard-storage');
  if (services.length === 0) throw badRequest(`No service found with host=${host}`);
  return services;
}

function unchanged(field: string, services: readonly ServiceRow[], expected: string): Error {
  const hosts = services.map(({ host }) => `'${host}'`).join(', ');
  return invalidInput(`No service could be changed: ${field} in [${hosts}] must be ${expected} to failover.`);
}
