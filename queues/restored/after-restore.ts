import { type Kysely, type RawBuilder, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import {
  type AttachmentId,
  asId,
  type HostName,
  type Ids,
  type OperationId,
  type VolumeId,
} from '#schema/ids.ts';
import { OPEN_OPERATION_STATES, type VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { inColumn } from '../conductor/in-column.ts';
import { askHosts, hostsOf } from '../drift/ask.ts';
import { recount, StillMoving } from '../drift/mysql-repairs.ts';
import { readRows } from '../drift/rows.ts';
import type { OperationGateway } from '../operations/gateway.ts';
import { inPool } from '../placement/place.ts';
import type { Questions } from '../questions.ts';
import type { Secrets } from '../secrets.ts';
import { type Tx, transaction } from '../transaction.ts';
import { endOpen } from './end-open.ts';
import { settleGroups } from './groups.ts';
import { hold, letGo, noteOperation, reopen } from './hold.ts';
import { type Owner, readOwners } from './owner.ts';
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
const INTERRUPTED =
  'MySQL was restored from a backup while this was under way; ask for it again if it is still wanted';
const IN_DOUBT =
  'MySQL was restored from a backup, nothing was undone or removed, and the volume is in error';

/**
 * Brings a MySQL that was restored from an older backup, and the hosts as they are, together again, before any conductor
 * works on it. What users MySQL and the hosts agree on goes on with numbers that no host has seen, unless it might remove data or write
 * over them: that ends. Where the hosts have moved on, MySQL follows them (the disks that guests have become attachments again, those
 * that they have not go, and a volume whose data are in exactly one other pool is there). What is in doubt is in `error`, and
 * what cannot be told yet is held as well, until this has run again. Nothing is changed on any host.
 * @throws Error while a conductor is at work.
 */
export async function afterRestore(deps: Deps): Promise<VolumePlan[]> {
  await refuseConductors(deps);
  const holds = await reopen(deps.db);
  const rows = await readRows(deps.db);
  const answers = await askHosts(deps.questions, hostsOf(rows, undefined));
  const initiators = await initiatorsOf(deps.db);
  const volumes = await readOwners(deps.db);
  const several = [...volumes.values()].flatMap(({ id, multiattach }) => (multiattach === 1 ? [id] : []));
  const plans = planRestore(rows, answers, initiators, new Set(several));
  await skipNumbers(deps.db, [...volumes.values()]);
  await resumeBackups(deps.db);
  const heard = answers.flatMap((each) =>
    each.kind === 'compute' && 'inventory' in each ? [each.host as HostName] : [],
  );
  for (const plan of plans) {
    const owner = volumes.get(plan.volumeId);
    // Gone since the hosts were asked.
    if (owner === undefined) continue;
    const held = holds.get(plan.volumeId);
    await transaction(deps.db, async (tx) => {
      const now = sqlTime(deps.clock.now());
      if (plan.what === 'leave') return hold(tx, deps.ids, now, owner, held, plan.reason);
      if (held !== undefined) letGo(tx, held);
      newNumbers(tx, plan.volumeId, plan.what === 'doubt' ? [] : heard);
      // Its data were found there, and nowhere else.
      if (plan.pool !== null)
        tx.later(tx.q.updateTable('volumes').set(inPool(tx, plan.pool)).where('id', '=', plan.volumeId));
      if (plan.what === 'resume') return resume(deps, tx, plan, owner);
      if (plan.what === 'follow') return follow(deps, tx, plan, owner, initiators);
      return doubt(deps, tx, plan, owner);
    });
  }
  await settleGroups(deps.db, sqlTime(deps.clock.now()));
  await countAgain(deps.db);
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

/** For the volume, what is under way, and what hosts have yet to be rid of; of a host that was not heard the old one is the safe one. */
function newNumbers(tx: Tx, volumeId: VolumeId, heard: readonly HostName[]): void {
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
  if (heard.length > 0)
    tx.later(
      tx.q
        .updateTable('evictions')
        .set({ seq: sql`seq + ${SEQ_AHEAD}` })
        .where('volume_id', '=', volumeId)
        .where('host', 'in', heard),
    );
}

/** What operations that ended, and volumes that moved, had reserved; where others go on reserving, drift tells it later. */
async function countAgain(db: Kysely<Tables>): Promise<void> {
  for (const { name } of await db.selectFrom('pools').select('name').execute())
    await recount(db, name).catch((error: unknown) => {
      if (!(error instanceof StillMoving)) throw error;
    });
}

/** Its operations go on where the backup has them, or end where that might do harm. */
async function resume(
  deps: Deps,
  tx: Tx,
  { volumeId, attached, ends, data }: Extract<VolumePlan, { what: 'resume' }>,
  owner: Owner,
): Promise<void> {
  if (ends) {
    const now = sqlTime(deps.clock.now());
    endOpen(tx, volumeId, 'undone', INTERRUPTED, now);
    settleAttachments(tx, volumeId, now);
    tx.later(
      tx.q
        .updateTable('volumes')
        .set({ status: ended(volumeId), operation_id: null, updated_at: now })
        .where('id', '=', volumeId),
    );
  } else if (data)
    // No volume goes with its server by an operation that the backup had under way.
    tx.later(
      sql`UPDATE attachments SET delete_on_termination = 0 WHERE volume_id = ${volumeId} AND EXISTS (SELECT 1 FROM operations AS o
        WHERE o.volume_id = ${volumeId} AND o.backup_id IS NULL AND o.state IN (${sql.join(OPEN_OPERATION_STATES)}))`.compile(
        tx.q,
      ),
    );
  await plugAgain(deps, tx, owner, attached);
}

/** A person must look at it; both keys of one that was to get another stay. */
async function doubt(
  { clock, ids }: Deps,
  tx: Tx,
  { volumeId, reason }: Extract<VolumePlan, { what: 'doubt' }>,
  owner: Owner,
): Promise<void> {
  const now = sqlTime(clock.now());
  const error = inColumn(`${reason}: ${IN_DOUBT}`);
  const open = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select('kind')
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', 'in', OPEN_OPERATION_STATES),
  );
  if (open.length === 0)
    noteOperation(tx, owner, ids.uuid() as OperationId, error, now, {
      what: 'hold',
      status: owner.status,
      holder: null,
      ended: [],
    });
  endOpen(tx, volumeId, 'stuck', error, now);
  doubtAttachments(tx, volumeId, now);
  const moved = open.some(({ kind }) => kind === 'volume.retype' || kind === 'volume.migrate');
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({
        status: 'error',
        operation_id: null,
        updated_at: now,
        // Deleting the volume drops the keys of such a one too.
        ...(moved && { migration_status: 'error' as const }),
      })
      .where('id', '=', volumeId),
  );
}

/** What was being attached or detached and a guest has is attached; a client may yet say that it has connected. */
function settleAttachments(tx: Tx, volumeId: VolumeId, now: string): void {
  tx.later(
    tx.q
      .updateTable('attachments')
      .set({ status: 'attached', updated_at: now })
      .where('volume_id', '=', volumeId)
      .where((eb) =>
        eb.or([
          eb('status', '=', 'detaching'),
          eb.and([eb('status', '=', 'attaching'), eb('managed', '=', 1)]),
        ]),
      ),
  );
}

/** Whoever has it: they can be detached. */
function doubtAttachments(tx: Tx, volumeId: VolumeId, now: string): void {
  for (const [before, after] of [
    ['attaching', 'error_attaching'],
    ['detaching', 'error_detaching'],
  ] as const)
    tx.later(
      tx.q
        .updateTable('attachments')
        .set({ status: after, updated_at: now })
        .where('volume_id', '=', volumeId)
        .where('managed', '=', 1)
        .where('status', '=', before),
    );
}

function byAttachments(volumeId: VolumeId): RawBuilder<VolumeStatus> {
  return sql`CASE (SELECT MAX(CASE a.status WHEN 'reserved' THEN 1 WHEN 'attaching' THEN 2 ELSE 3 END)
      FROM attachments AS a WHERE a.volume_id = ${volumeId})
    WHEN 3 THEN 'in-use' WHEN 2 THEN 'attaching' WHEN 1 THEN 'reserved' ELSE 'available' END`;
}

/** What nobody works on any more is what its attachments make of it; a status that says something else stays. */
function ended(volumeId: VolumeId): RawBuilder<VolumeStatus> {
  return sql`IF(volumes.status IN ('creating', 'attaching', 'detaching', 'extending', 'uploading', 'in-use', 'reserved', 'available'),
    ${byAttachments(volumeId)}, volumes.status)`;
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
  endOpen(tx, volumeId, 'undone', INTERRUPTED, now);
  for (const id of gone) tx.later(tx.q.deleteFrom('attachments').where('id', '=', id));
  settleAttachments(tx, volumeId, now);
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
  // No server that it was to be taken from has it there, and what the host is connected to is another one's.
  const hosts = [...new Set(found.map(({ host }) => host))];
  if (hosts.length > 0)
    tx.later(tx.q.deleteFrom('evictions').where('volume_id', '=', volumeId).where('host', 'in', hosts));
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({
        // One that was in error is no better for having been let go of.
        status: sql`IF(volumes.status LIKE 'error%' AND ${byAttachments(volumeId)} <> 'in-use', volumes.status, ${byAttachments(volumeId)})`,
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
