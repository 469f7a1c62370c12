import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { HostName, OperationId, ProjectId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { NEEDED, UNSEEN } from '../operations/stuck.ts';

/** A conductor that has not said so for this long counts as dead, and its operations are anybody's; it says so every two seconds. */
export const CONDUCTOR_DEAD_MS = 8_000;
/** Younger ones have just been submitted. */
const GRACE_MS = 1_000;
const AT_MOST = 1_000;
/** History is kept this long; what is stuck, until somebody has seen to it. */
const KEPT_MS = 90 * 24 * 3_600_000;

export interface SweeperDeps {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  readonly host: HostName;
  readonly bootId: string;
  readonly version: string;
  readonly availabilityZone: string;
  /** When this conductor could not hear agents' reports for the last time; 0: never. Default 0. */
  readonly deafUntil?: () => number;
}

/** What a conductor's service row says beside. */
export interface ConductorDetails {
  /** Milliseconds of the clock; silence of agents before that says nothing. */
  readonly deafUntil: number;
}

/** Says that this conductor lives; its former self, if it died, thereby loses what it held. */
export async function sayAlive({
  db,
  clock,
  host,
  bootId,
  version,
  availabilityZone,
  deafUntil = () => 0,
}: SweeperDeps): Promise<void> {
  const now = sqlTime(clock.now());
  const details: ConductorDetails = { deafUntil: deafUntil() };
  const alive = {
    details: JSON.stringify(details),
    agent: host,
    availability_zone: availabilityZone,
    version,
    boot_id: bootId,
    last_seen_at: now,
  };
  await db
    .insertInto('services')
    .values({
      binary: 'blockyard-conductor',
      host,
      ...alive,
      disabled_reason: null,
      updated_at: null,
    })
    .onDuplicateKeyUpdate(alive)
    .execute();
}

/**
 * Frees operations whose conductor is gone, and those of ours that no run of ours works on any more.
 * @param running is asked after MySQL was: what we have begun in between is not an orphan.
 */
export async function freeOrphans(
  deps: SweeperDeps,
  running: Pick<ReadonlySet<OperationId>, 'has'>,
): Promise<void> {
  const mine = `${deps.host}/${deps.bootId}`;
  const since = sqlTime(deps.clock.now() - CONDUCTOR_DEAD_MS);
  const rows = await deps.db
    .selectFrom('operations')
    .leftJoin('services', (join) =>
      join
        .on('services.binary', '=', 'blockyard-conductor')
        .on(sql`CONCAT(services.host, '/', services.boot_id)`, '=', sql.ref('operations.owner'))
        .on('services.last_seen_at', '>', since),
    )
    .select(['operations.id', 'operations.owner', 'services.id as alive'])
    .where('operations.state', 'in', OPEN_OPERATION_STATES)
    .where('operations.owner', 'is not', null)
    // Those that others have in hand may be any number; they must not hide an orphan.
    .where((where) => where.or([where('operations.owner', '=', mine), where('services.id', 'is', null)]))
    .execute();
  const orphans = rows.filter(({ id, owner, alive }) => (owner === mine ? !running.has(id) : alive === null));
  // The owner again in the condition: somebody may have been quicker.
  for (const { id, owner } of orphans.slice(0, AT_MOST)) {
    await deps.db
      .updateTable('operations')
      .set({ owner: null })
      .where('id', '=', id)
      .where('owner', '=', owner)
      .execute();
  }
}

/**
 * Operations that nobody works on although their volume is theirs or free: their job is gone, or never was. Each project's
 * first come first, then each one's second …
 */
export async function unattended({
  db,
  clock,
}: SweeperDeps): Promise<{ readonly id: OperationId; readonly project_id: ProjectId }[]> {
  return db
    .selectFrom('operations')
    .leftJoin('volumes', 'volumes.id', 'operations.volume_id')
    .leftJoin('backups', 'backups.id', 'operations.backup_id')
    .select(['operations.id', 'operations.project_id'])
    .where('operations.state', 'in', OPEN_OPERATION_STATES)
    .where('operations.owner', 'is', null)
    .where('operations.created_at', '<', sqlTime(clock.now() - GRACE_MS))
    .where((where) =>
      where.or([
        where.and([
          where('operations.backup_id', 'is', null),
          where.or([
            where('volumes.operation_id', 'is', null),
            where('volumes.operation_id', '=', where.ref('operations.id')),
          ]),
        ]),
        where.and([
          where('operations.backup_id', 'is not', null),
          where.or([
            where('backups.operation_id', 'is', null),
            where('backups.operation_id', '=', where.ref('operations.id')),
          ]),
        ]),
        // May take the volume from one that waits for a host.
        where('operations.kind', '=', 'volume.force-detach'),
      ]),
    )
    .orderBy(sql`ROW_NUMBER() OVER (PARTITION BY operations.project_id ORDER BY operations.created_at)`)
    .orderBy('operations.created_at')
    .limit(AT_MOST)
    .execute();
}

/** Those of `running` that have ended although this conductor works on them: a detach by force has ended them. */
export async function endedByOthers(
  { db }: SweeperDeps,
  running: Iterable<OperationId>,
): Promise<OperationId[]> {
  const ids = [...running];
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('operations')
    .select('id')
    .where('id', 'in', ids)
    .where('state', 'not in', OPEN_OPERATION_STATES)
    .execute();
  return rows.map(({ id }) => id);
}

/** Forgets operations that ended long ago, and with them their steps; not those that somebody must still see to. */
export async function purge({ db, clock }: Pick<SweeperDeps, 'db' | 'clock'>): Promise<void> {
  const since = sqlTime(clock.now() - KEPT_MS);
  const stuck = await db
    .selectFrom('operations')
    .select('id')
    .where('state', '=', 'stuck')
    .where('created_at', '<', since)
    .where(sql<boolean>`NOT (${UNSEEN})`)
    .where(sql<boolean>`NOT (${NEEDED})`)
    .limit(AT_MOST)
    .execute();
  if (stuck.length > 0) {
    const ids = stuck.map(({ id }) => id);
    await db.deleteFrom('operations').where('id', 'in', ids).execute();
  }
  // That they came later is what tells that somebody has seen to the others.
  if (stuck.length === AT_MOST) return;
  await db
    .deleteFrom('operations')
    .where('state', 'in', ['done', 'undone'])
    .where('created_at', '<', since)
    .limit(AT_MOST)
    .execute();
}
