import { type Kysely, type Selectable, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type Ids, type VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { askHosts, hostsOf } from '../drift/ask.ts';
import { readRows } from '../drift/rows.ts';
import type { OperationGateway } from '../operations/gateway.ts';
import type { Questions } from '../questions.ts';
import type { Secrets } from '../secrets.ts';
import { type Tx, transaction } from '../transaction.ts';
import { type Plugged, planRestore, type VolumePlan } from './plan.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly questions: Pick<Questions, 'ask'>;
  readonly gateway: Pick<OperationGateway, 'begin'>;
  readonly secrets: Pick<Secrets, 'encrypt' | 'chapSecret'>;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** More numbers than anybody can have used between a backup and its restore. */
const SEQ_AHEAD = 1_000_000;
const NUMBERS_AHEAD = 100_000;
const CONDUCTOR_ALIVE_MS = 20_000;
const INTERRUPTED = 'MySQL was restored from a backup, and the hosts had moved on since';

/**
 * Brings a MySQL that was restored from an older backup, and the hosts as they are, together again, before any conductor
 * works on it. Agents refuse tasks that are older than what they have carried out, and so everything of a restored
 * MySQL: volumes whose users MySQL and the hosts agree on get numbers beyond that; where the hosts have moved on, MySQL follows them
 * (the disks that guests have become attachments again, those that they have not go); the rest is left as it is, and safe by its
 * old numbers. Nothing is changed on any host. May run again.
 * @throws Error while a conductor is at work.
 */
export async function afterRestore(deps: Deps): Promise<VolumePlan[]> {
  await refuseConductors(deps);
  const rows = await readRows(deps.db);
  const answers = await askHosts(deps.questions, hostsOf(rows, undefined));
  const initiators = await initiatorsOf(deps.db);
  const volumes = await readVolumes(deps.db);
  const several = [...volumes.values()].flatMap(({ id, multiattach }) => (multiattach === 1 ? [id] : []));
  const plans = planRestore(rows, answers, initiators, new Set(several));
  await skipNumbers(deps.db, [...volumes.values()]);
  await resumeBackups(deps.db);
  for (const plan of plans) {
    const owner = volumes.get(plan.volumeId);
    // Gone since the hosts were asked.
    if (owner === undefined) continue;
    if (plan.what === 'resume') await transaction(deps.db, (tx) => resume(deps, tx, plan, owner));
    if (plan.what === 'follow') await transaction(deps.db, (tx) => follow(deps, tx, plan, owner, initiators));
  }
  return plans;
}

async function refuseConductors({ db, clock }: Deps): Promise<void> {
  const row = await db
    .selectFrom('services')
    .select('host')
    .where('binary', '=', 'blockyard-conductor')
    .where('last_seen_at', '>', sqlTime(clock.now() - CONDUCTOR_ALIVE_MS))
    .executeTakeFirst();
  if (row !== undefined)
    throw new Error(`conductor ${row.host} was at work a moment ago: stop it first, and all apis`);
}

async function initiatorsOf(db: Kysely<Tables>): Promise<ReadonlyMap<string, string>> {
  const rows = await db
    .selectFrom('services')
    .select(['agent', 'details'])
    .where('binary', '=', 'blockyard-compute')
    .execute();
  return new Map(
    rows.flatMap(({ agent, details }) => {
      const { initiator } = JSON.parse(details) as { initiator?: string };
      return initiator === undefined ? [] : [[agent, initiator.toLowerCase()] as const];
    }),
  );
}

type Owner = Pick<Selectable<Tables['volumes']>, 'id' | 'project_id' | 'user_id' | 'multiattach' | 'number'>;

async function readVolumes(db: Kysely<Tables>): Promise<ReadonlyMap<VolumeId, Owner>> {
  const rows = await db
    .selectFrom('volumes')
    .select(['id', 'project_id', 'user_id', 'multiattach', 'number'])
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** Volumes made since the backup have numbers that MySQL no longer knows, and the target may still use them. */
async function skipNumbers(db: Kysely<Tables>, volumes: readonly Owner[]): Promise<void> {
  const newest = volumes.reduce((most, { number }) => Math.max(most, number), 0);
  await sql`ALTER TABLE volumes AUTO_INCREMENT = ${sql.lit(newest + NUMBERS_AHEAD)}`.execute(db);
}

/** Of backups each task is right whenever it comes: they get new numbers, and what is under way goes on. */
async function resumeBackups(db: Kysely<Tables>): Promise<void> {
  await transaction(db, async (tx) => {
    tx.later(tx.q.updateTable('backups').set({ seq: sql`seq + ${SEQ_AHEAD}` }));
    tx.later(
      tx.q
        .updateTable('operations')
        .set({ seq_base: sql`seq_base + ${SEQ_AHEAD}`, owner: null })
        .where('backup_id', 'is not', null)
        .where('state', 'in', OPEN_OPERATION_STATES),
    );
  });
}

/** Its operations go on where the backup has them, with numbers that no host has seen. */
async function resume(
  deps: Deps,
  tx: Tx,
  { volumeId, attached }: Extract<VolumePlan, { what: 'resume' }>,
  owner: Owner,
): Promise<void> {
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({ seq: sql`seq + ${SEQ_AHEAD}` })
      .where('id', '=', volumeId),
  );
  tx.later(
    tx.q
      .updateTable('operations')
      .set({ seq_base: sql`seq_base + ${SEQ_AHEAD}`, owner: null })
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', 'in', OPEN_OPERATION_STATES),
  );
  await plugAgain(deps, tx, owner, attached);
}

/** What was under way is over; what the hypervisors have is what holds, and each disk gets a new account. */
async function follow(
  { gateway, secrets, clock, ids }: Deps,
  tx: Tx,
  { volumeId, found, gone }: Extract<VolumePlan, { what: 'follow' }>,
  owner: Owner,
  initiators: ReadonlyMap<string, string>,
): Promise<void> {
  const now = sqlTime(clock.now());
  tx.later(
    tx.q
      .updateTable('operations')
      .set({ state: 'undone', error: INTERRUPTED, owner: null, ended_at: now })
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', 'in', OPEN_OPERATION_STATES),
  );
  for (const id of gone) tx.later(tx.q.deleteFrom('attachments').where('id', '=', id));
  const added: AttachmentId[] = [];
  for (const disk of found) {
    const id = asId<AttachmentId>(ids.uuid());
    tx.later(
      tx.q.insertInto('attachments').values({
        id,
        volume_id: volumeId,
        project_id: owner.project_id,
        ...columnsOf(disk),
        status: 'attached',
        managed: 1,
        connector: JSON.stringify({ initiator: initiators.get(disk.host), host: disk.host }),
        connection: null,
        initiator: initiators.get(disk.host) ?? null,
        chap_username: ids.uuid().replaceAll('-', ''),
        chap_secret: secrets.encrypt(secrets.chapSecret(), volumeId),
        boot_index: null,
        attached_at: now,
        created_at: now,
        updated_at: null,
      }),
    );
    added.push(id);
  }
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({
        status: sql`IF(EXISTS (SELECT 1 FROM attachments AS a WHERE a.volume_id = ${volumeId} AND a.status = 'attached'), 'in-use', 'available')`,
        seq: sql`seq + ${SEQ_AHEAD}`,
        operation_id: null,
        updated_at: now,
      })
      .where('id', '=', volumeId),
  );
  await plugAgain({ gateway, ids }, tx, owner, added);
}

/** Gives the target and the hypervisor the account that MySQL has; the guest does not notice. */
async function plugAgain(
  { gateway, ids }: Pick<Deps, 'gateway' | 'ids'>,
  tx: Tx,
  { id: volumeId, project_id, user_id }: Owner,
  attachments: readonly AttachmentId[],
): Promise<void> {
  for (const attachmentId of attachments) {
    await gateway.begin(tx, {
      kind: 'volume.repair',
      volumeId,
      attachmentId,
      projectId: project_id,
      userId: user_id,
      requestId: `req-${ids.uuid()}`,
      input: { what: 'plug' },
    });
  }
}

function columnsOf({ host, serverId, mountpoint, readOnly }: Plugged) {
  return { host, server_id: serverId, mountpoint, mode: readOnly ? ('ro' as const) : ('rw' as const) };
}
