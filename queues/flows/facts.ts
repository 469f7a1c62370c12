import { type Compilable, type CompiledQuery, type Selectable, sql } from 'kysely';
import type { OperationId, PoolName } from '#schema/ids.ts';
import type { Luks } from '#schema/luks.ts';
import type { BackupOperationKind, OperationInputs, OperationKind } from '#schema/operations.ts';
import type {
  AttachmentsTable,
  BackupsTable,
  OperationsTable,
  QosSpecsTable,
  VolumesTable,
} from '#schema/tables.ts';
import { TaskError } from '#schema/tasks.ts';
import { readSpecs } from '../placement/extra-specs.ts';
import { BUILDER } from '../transaction.ts';

export type VolumeRow = Omit<Selectable<VolumesTable>, 'readonly'>;
export type AttachmentRow = Selectable<AttachmentsTable>;
export type BackupRow = Selectable<BackupsTable>;

/** What a flow knows when it is taken up: MySQL's rows, read in one go while the operation holds the volume. */
export interface Facts<K extends OperationKind = OperationKind> {
  readonly operation: Selectable<OperationsTable>;
  readonly input: OperationInputs[K];
  /** The volume that the operation holds; one that holds a backup must not lean on a volume, which may be gone. */
  readonly volume: [K] extends [BackupOperationKind] ? null : VolumeRow;
  readonly backup: [K] extends [BackupOperationKind] ? BackupRow : null;
  readonly extraSpecs: Readonly<Record<string, string>>;
  /** Of an encrypted volume: its passphrase, sealed with the master key, and how it is encrypted. */
  readonly luks: Luks | null;
  /** Of a volume that gets another encryption: the same of the key that it gets. */
  readonly luksToBe: Luks | null;
  readonly qos: {
    readonly consumer: QosSpecsTable['consumer'];
    readonly specs: Readonly<Record<string, string>>;
  } | null;
  /** How many snapshots the volume has. */
  readonly snapshots: number;
  /** Hosts that the volume was taken from by force and that have not been cleared of it since. */
  readonly uncleared: readonly string[];
  /** All of the volume's attachments. */
  readonly attachments: readonly AttachmentRow[];
}

const VOLUME_COLUMNS = [
  'volumes.id as v_id',
  'volumes.project_id as v_project_id',
  'volumes.user_id as v_user_id',
  'name',
  'description',
  'size_gib',
  'status',
  'volumes.availability_zone as availability_zone',
  'pool',
  'volume_type_id',
  'bootable',
  'multiattach',
  'metadata',
  'seq',
  'number',
  'source_volume_id',
  'snapshot_id',
  'image_metadata',
  'migration_status',
  'group_id',
  'encryption_key_id',
  'volumes.operation_id as held_by',
  'volumes.created_at as v_created_at',
  'volumes.updated_at as updated_at',
] as const;

function buildFactsQuery(id: OperationId) {
  return BUILDER.selectFrom('operations')
    .innerJoin('volumes', 'volumes.id', 'operations.volume_id')
    .leftJoin('volume_types', 'volume_types.id', 'volumes.volume_type_id')
    .leftJoin('qos_specs', 'qos_specs.id', 'volume_types.qos_specs_id')
    .leftJoin('encryption_keys', 'encryption_keys.id', 'volumes.encryption_key_id')
    .selectAll('operations')
    .select(
      VOLUME_COLUMNS.map((column) =>
        column.includes('.') ? column : (`volumes.${column}` as typeof column),
      ),
    )
    .select([
      'volume_types.extra_specs',
      'qos_specs.consumer as qos_consumer',
      'qos_specs.specs as qos_specs',
      'encryption_keys.secret as key_secret',
      'encryption_keys.cipher as key_cipher',
      'encryption_keys.key_bits',
      (eb) =>
        eb
          .selectFrom('snapshots')
          .select((one) => one.fn.countAll<number>().as('count'))
          .whereRef('snapshots.volume_id', '=', 'volumes.id')
          .as('snapshot_count'),
      // A host's name has no comma.
      sql<
        string | null
      >`(SELECT GROUP_CONCAT(evictions.host) FROM evictions WHERE evictions.volume_id = volumes.id)`.as(
        'uncleared',
      ),
    ])
    .where('operations.id', '=', id);
}

type FactsRow = ReturnType<typeof buildFactsQuery> extends Compilable<infer Row> ? Row : never;

/** Compiled once: every operation asks it. */
const FACTS = buildFactsQuery('' as OperationId).compile();

/** Reads an operation with all that its flow needs but the attachments; no row when the volume or it is gone. */
export function factsQuery(id: OperationId): CompiledQuery<FactsRow> {
  return { ...FACTS, parameters: [id] };
}

export function toFacts(row: FactsRow, attachments: readonly AttachmentRow[], luksToBe: Luks | null): Facts {
  const volume: VolumeRow = {
    id: row.v_id,
    project_id: row.v_project_id,
    user_id: row.v_user_id,
    name: row.name,
    description: row.description,
    size_gib: row.size_gib,
    status: row.status,
    availability_zone: row.availability_zone,
    pool: row.pool,
    volume_type_id: row.volume_type_id,
    bootable: row.bootable,
    multiattach: row.multiattach,
    metadata: row.metadata,
    seq: row.seq,
    number: row.number,
    source_volume_id: row.source_volume_id,
    snapshot_id: row.snapshot_id,
    image_metadata: row.image_metadata,
    migration_status: row.migration_status,
    group_id: row.group_id,
    encryption_key_id: row.encryption_key_id,
    operation_id: row.held_by,
    created_at: row.v_created_at,
    updated_at: row.updated_at,
  };
  return {
    operation: row,
    input: JSON.parse(row.input) as OperationInputs[OperationKind],
    volume,
    backup: null,
    extraSpecs: readSpecs(row.extra_specs ?? '{}'),
    luks:
      row.key_secret === null || row.key_cipher === null || row.key_bits === null
        ? null
        : { secret: row.key_secret, cipher: row.key_cipher, keyBits: row.key_bits },
    luksToBe,
    qos:
      row.qos_consumer === null
        ? null
        : { consumer: row.qos_consumer, specs: JSON.parse(row.qos_specs ?? '{}') as Record<string, string> },
    snapshots: row.snapshot_count ?? 0,
    uncleared: row.uncleared?.split(',') ?? [],
    attachments,
  };
}

/** What an operation that holds a backup knows. */
export function backupFacts(operation: Selectable<OperationsTable>, backup: BackupRow): Facts {
  const facts: Facts<BackupOperationKind> = {
    operation,
    input: JSON.parse(operation.input) as OperationInputs[BackupOperationKind],
    volume: null,
    backup,
    extraSpecs: {},
    luks: null,
    luksToBe: null,
    qos: null,
    snapshots: 0,
    uncleared: [],
    attachments: [],
  };
  return facts;
}

/** The pool of a volume that has been placed. @throws Error when it hasn't. */
export function placed(volume: VolumeRow): PoolName {
  if (volume.pool === null) throw new Error(`volume ${volume.id} has no pool`);
  return volume.pool;
}

/** The attachment that the operation is about, or undefined when it is gone. */
export function attachmentOf({ attachments, operation }: Facts): AttachmentRow | undefined {
  return attachments.find(({ id }) => id === operation.attachment_id);
}

/** The attachment that the operation is about. @throws Error when it is gone. */
export function subject(facts: Facts): AttachmentRow {
  const found = attachmentOf(facts);
  if (found === undefined) throw new Error(`attachment ${facts.operation.attachment_id} is gone`);
  return found;
}

/**
 * What is left on the host must not be taken for the new attachment's, and no task there may be newer than the one that will clear it:
 * that would come too late for ever.
 * @throws TaskError `refused` while the host (the attachment's, if none is named) has yet to be cleared of the volume.
 */
export function refuseUncleared(facts: Facts, host = attachmentOf(facts)?.host ?? null): void {
  if (host === null || !facts.uncleared.includes(host)) return;
  throw new TaskError(
    'refused',
    `volume ${facts.volume.id} was taken from host ${host} by force, and the host has not been cleared of it since`,
  );
}
