import type { ExpressionBuilder } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { PoolName, VolumeId } from '#schema/ids.ts';
import type { MoveInput } from '#schema/operations.ts';
import type { Tables } from '#schema/tables.ts';
import { checkStorage, whyDown } from '../services/down.ts';
import { hostOrCluster, type Named } from '../services/host-or-cluster.ts';
import { findVolume } from './rows.ts';

/** Moves a volume that nobody uses, and that has no snapshots, to another pool. It is locked meanwhile, asked for or not. */
export async function migrateVolume(context: RequestContext, id: string, asked: Named): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const pool = await destination(context, asked);
  const refused = (): Error =>
    invalidVolume(
      `Volume ${volume.id} status must be available or in-use, must not be migrating, have snapshots, be replicated, be part of a group and destination host/cluster must be different than the current one`,
    );
  if (volume.status === 'in-use')
    throw invalidVolume(`Volume ${volume.id} is in-use: only a volume that is not attached can be migrated.`);
  if (volume.pool === pool || volume.group_id !== null) throw refused();
  await checkStorage(app, volume);
  const operation = await transaction(app.db, async (tx) => {
    // The lock comes first: what the conditions look at can't change behind their back.
    tx.later(tx.q.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate());
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({
          status: 'maintenance',
          migration_status: 'migrating',
          updated_at: sqlTime(app.clock.now()),
        })
        .where('id', '=', volume.id)
        .where('status', '=', 'available')
        .where('pool', 'is not', null)
        .where((eb) => unneeded(eb, volume.id)),
    );
    return app.operations.begin(tx, {
      kind: 'volume.migrate',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { pool, policy: 'on-demand', account: mover(context, volume.id) },
    });
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? refused() : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}

/** Nothing depends on where it lies: neither attachments nor snapshots, nor a volume that is being made of it. */
function unneeded(eb: ExpressionBuilder<Tables, 'volumes'>, id: VolumeId) {
  return eb.and([
    eb.not(eb.exists(eb.selectFrom('attachments').select('id').where('volume_id', '=', id))),
    eb.not(eb.exists(eb.selectFrom('snapshots').select('id').where('volume_id', '=', id))),
    uncopied(eb, id),
  ]);
}

/** No volume is being made of it. */
export function uncopied(eb: ExpressionBuilder<Tables, 'volumes'>, id: VolumeId) {
  return eb.not(
    eb.exists(
      // A table of its own: MySQL reads none that it changes.
      eb
        .selectFrom(
          eb
            .selectFrom('volumes as each')
            .select('each.id')
            .where('each.source_volume_id', '=', id)
            .where('each.status', '=', 'creating')
            .limit(1)
            .as('copies'),
        )
        .select('copies.id'),
    ),
  );
}

/** The account with which another agent may read the volume; the secret is sealed. */
export function mover({ app }: RequestContext, id: VolumeId): MoveInput['account'] {
  return {
    username: app.ids.uuid().replaceAll('-', ''),
    secret: app.secrets.encrypt(app.secrets.chapSecret(), id),
  };
}

/** @throws ApiError 400 unless the pool's agent is there to take it */
async function destination(context: RequestContext, asked: Named): Promise<PoolName> {
  const { app } = context;
  // What an older microversion may not name, the route has refused.
  const { host, cluster } = hostOrCluster(context, asked, 0);
  const nowhere = (): ApiError =>
    badRequest(`Invalid host: No available service named '${(host || cluster).toWellFormed()}'`);
  // Text that is no ASCII names no host, and MySQL compares names in ASCII.
  if (!/^[\x20-\x7e]+$/.test(host)) throw nowhere();
  const pools = await app.db
    .selectFrom('pools')
    .innerJoin('services', 'services.host', 'pools.service_host')
    .select(['pools.name', 'services.disabled', 'services.last_seen_at'])
    .where('services.binary', '=', 'blockyard-storage')
    .where((eb) => eb.or([eb('pools.name', '=', host as PoolName), eb('pools.service_host', '=', host)]))
    .execute();
  const [pool, ...others] = pools;
  if (pool === undefined || pool.disabled === 1 || (await whyDown(app, pool)) !== null) throw nowhere();
  if (others.length > 0) throw badRequest(`${host} has several pools: name one of them.`);
  return pool.name;
}

/**
 * Nova's word on a volume whose guest it has switched to another. Volumes here are never two while they move: none waits for it.
 */
export async function completeMigration(context: RequestContext, id: string, newId: string): Promise<Reply> {
  const volume = await findVolume(context, id);
  const other = await findVolume(context, newId);
  if (volume.migration_status === null && other.migration_status === null)
    throw invalidVolume(
      'Neither volume is being migrated, and attachments are not handed from one to another.',
    );
  if (volume.migration_status === null) throw invalidVolume('Source volume not mid-migration.');
  if (other.migration_status === null) throw invalidVolume('Destination volume not mid-migration.');
  throw invalidVolume(
    `Destination has migration_status ${other.migration_status}, expected target:${volume.id}.`,
  );
}
