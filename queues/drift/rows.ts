import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { OperationsTable, Tables } from '#schema/tables.ts';
import { readKeysToBe } from '../key-manager/keys-to-be.ts';

/** The operations of a volume, as far as causes and locks go. */
export type OperationRow = Pick<
  Selectable<OperationsTable>,
  'id' | 'kind' | 'state' | 'volume_id' | 'error' | 'created_at'
>;

/** All that MySQL says of what hosts should have, as it was at one moment. No secret is read. */
export interface Rows {
  readonly volumes: ReadonlyMap<string, VolumeRow>;
  readonly snapshots: ReadonlyMap<string, SnapshotRow>;
  readonly attachments: readonly AttachmentRow[];
  /** By volume. */
  readonly attached: ReadonlyMap<string, readonly AttachmentRow[]>;
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly pools: readonly PoolRow[];
  readonly services: readonly ServiceRow[];
  readonly images: ReadonlyMap<string, ImageRow>;
  /** What hosts have yet to be rid of. */
  readonly evictions: readonly EvictionRow[];
  /** Those that are under way or stuck, by id. */
  readonly operations: ReadonlyMap<string, OperationRow>;
  /** Volumes that are being moved, and where they have taken room. */
  readonly moves: readonly MoveRow[];
  /** Ids of the built-in key manager's keys. */
  readonly keys: ReadonlySet<string>;
  /** What is encrypted, and with which. */
  readonly keyed: readonly KeyedRow[];
  /** Keys that operations under way will give to their volumes. */
  readonly keysToBe: ReadonlyMap<string, unknown>;
}

interface KeyedRow {
  readonly what: 'volume' | 'backup' | 'image';
  readonly id: string;
  readonly key: string;
}

interface MoveRow {
  readonly volume_id: string;
  readonly to: string;
}

export type VolumeRow = Awaited<ReturnType<typeof readVolumes>>[number];
export type SnapshotRow = Awaited<ReturnType<typeof readSnapshots>>[number];
export type AttachmentRow = Awaited<ReturnType<typeof readAttachments>>[number];
export type ServerRow = Awaited<ReturnType<typeof readServers>>[number];
export type PoolRow = Awaited<ReturnType<typeof readPools>>[number];
export type ImageRow = Awaited<ReturnType<typeof readImages>>[number];
export type EvictionRow = Awaited<ReturnType<typeof readEvictions>>[number];
export type ServiceRow = Awaited<ReturnType<typeof readServices>>[number];

/** Reads all of it in one snapshot, so that sums and what they are sums of belong together. */
export function readRows(db: Kysely<Tables>): Promise<Rows> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx) => {
      const attachments = await readAttachments(trx);
      return {
        volumes: byId(await readVolumes(trx)),
        snapshots: byId(await readSnapshots(trx)),
        attachments,
        attached: Map.groupBy(attachments, ({ volume_id }) => volume_id as string),
        servers: byId(await readServers(trx)),
        pools: await readPools(trx),
        services: await readServices(trx),
        images: byId(await readImages(trx)),
        evictions: await readEvictions(trx),
        operations: byId(await readOperations(trx)),
        moves: await readMoves(trx),
        ...(await readKeys(trx)),
      };
    });
}

function byId<R extends { readonly id: string }>(rows: readonly R[]): ReadonlyMap<string, R> {
  return new Map(rows.map((row) => [row.id, row]));
}

function readVolumes(db: Kysely<Tables>) {
  return db
    .selectFrom('volumes')
    .leftJoin('volume_types', 'volume_types.id', 'volumes.volume_type_id')
    .leftJoin('qos_specs', 'qos_specs.id', 'volume_types.qos_specs_id')
    .select([
      'volumes.id',
      'volumes.name',
      'volumes.size_gib',
      'volumes.status',
      'volumes.pool',
      'volumes.operation_id',
      'volumes.seq',
      'volumes.created_at',
      'volumes.updated_at',
      'volumes.multiattach',
      'qos_specs.consumer as qos_consumer',
      'qos_specs.specs as qos_specs',
    ])
    .execute();
}

function readSnapshots(db: Kysely<Tables>) {
  return db.selectFrom('snapshots').select(['id', 'volume_id', 'size_gib', 'status', 'reserved']).execute();
}

function readAttachments(db: Kysely<Tables>) {
  return db
    .selectFrom('attachments')
    .select([
      'id',
      'volume_id',
      'server_id',
      'status',
      'host',
      'managed',
      'mountpoint',
      'mode',
      'initiator',
      'created_at',
    ])
    .select((eb) => eb('chap_secret', 'is not', null).as('exported'))
    .execute();
}

function readServers(db: Kysely<Tables>) {
  return db
    .selectFrom('servers')
    .select(['id', 'host', 'name', 'status', 'task_state', 'root_volume_id'])
    .execute();
}

function readPools(db: Kysely<Tables>) {
  return db.selectFrom('pools').select(['name', 'agent', 'allocated_gib', 'volume_count']).execute();
}

function readServices(db: Kysely<Tables>) {
  return db.selectFrom('services').select(['binary', 'host', 'agent', 'boot_id']).execute();
}

function readImages(db: Kysely<Tables>) {
  return db.selectFrom('images').select(['id', 'name', 'status', 'size']).execute();
}

function readEvictions(db: Kysely<Tables>) {
  return db
    .selectFrom('evictions')
    .select(['id', 'volume_id', 'server_id', 'host', 'operation_id', 'error'])
    .execute();
}

async function readKeys(db: Kysely<Tables>): Promise<Pick<Rows, 'keys' | 'keyed' | 'keysToBe'>> {
  const keys = await db.selectFrom('encryption_keys').select('id').execute();
  const { rows: keyed } = await sql<KeyedRow>`
    SELECT 'volume' AS what, id, encryption_key_id AS \`key\` FROM volumes WHERE encryption_key_id IS NOT NULL
    UNION ALL SELECT 'backup', id, encryption_key_id FROM backups WHERE encryption_key_id IS NOT NULL
    UNION ALL SELECT 'image', id, encryption_key_id FROM images WHERE encryption_key_id IS NOT NULL`.execute(
    db,
  );
  return { keys: new Set(keys.map(({ id }) => id as string)), keyed, keysToBe: await readKeysToBe(db) };
}

/** Of migrations and retypes under way that have been placed; one that stays where it is has moved to there. */
async function readMoves(db: Kysely<Tables>): Promise<MoveRow[]> {
  const { rows } = await sql<MoveRow>`
    SELECT operations.volume_id, JSON_VALUE(operation_steps.output, '$.to') AS \`to\`
    FROM operations JOIN operation_steps ON operation_steps.operation_id = operations.id
    WHERE operations.kind IN ('volume.migrate', 'volume.retype') AND operations.state IN (${sql.join(OPEN_OPERATION_STATES)})
      AND operation_steps.name = 'place' AND operation_steps.direction = 'do' AND operation_steps.state = 'done'`.execute(
    db,
  );
  return rows;
}

/** Under way, stuck, or holding a volume although they have ended. */
function readOperations(db: Kysely<Tables>): Promise<OperationRow[]> {
  return db
    .selectFrom('operations')
    .select(['id', 'kind', 'state', 'volume_id', 'error', 'created_at'])
    .where((eb) =>
      eb.or([
        eb('state', 'in', [...OPEN_OPERATION_STATES, 'stuck']),
        eb(
          'id',
          'in',
          eb
            .selectFrom('volumes')
            .select(sql<never>`operation_id`.as('id'))
            .where('operation_id', 'is not', null),
        ),
      ]),
    )
    .execute();
}

/** The newest operation of each of these volumes, whatever became of it. */
export async function newestOperations(
  db: Kysely<Tables>,
  volumes: readonly string[],
): Promise<ReadonlyMap<string, OperationRow>> {
  const newest = new Map<string, OperationRow>();
  for (let from = 0; from < volumes.length; from += 500) {
    const rows = await db
      .selectFrom('operations')
      .select(['id', 'kind', 'state', 'volume_id', 'error', 'created_at'])
      .where('volume_id', 'in', volumes.slice(from, from + 500) as never)
      .orderBy('created_at')
      .orderBy('seq_base')
      .execute();
    for (const row of rows) newest.set(row.volume_id, row);
  }
  return newest;
}
