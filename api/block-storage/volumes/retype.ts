import type { RequestContext } from '#api/http/context.ts';
import { ApiError, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { readSpecs } from '#queues/placement/extra-specs.ts';
import { type QosSpec, resolveIotune } from '#queues/qos/resolve.ts';
import { LostRow, type Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type EncryptionKeyId, isUuid, type OperationId, type QosSpecId } from '#schema/ids.ts';
import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import type { MoveInput } from '#schema/operations.ts';
import { charged, hold } from '../quotas/charge.ts';
import type { Charge } from '../quotas/charges.ts';
import { mayUse, noType, readType, readTypeByNameOrId, type TypeRow } from '../types/rows.ts';
import { checkSizeFor } from '../types/size-limits.ts';
import { encryptionOf, type VolumeEncryption } from '../types/volume-encryption.ts';
import { hasKey } from './encryption.ts';
import { mover, uncopied } from './migrate.ts';
import { findVolume, type VolumeRow } from './rows.ts';

interface Asked {
  readonly new_type: string;
  readonly migration_policy?: 'never' | 'on-demand' | undefined;
}

/** Gives a volume another type; whether it must move for that, and whether it may, its operation finds out. */
export async function retypeVolume(context: RequestContext, id: string, asked: Asked): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const type = await chosenType(context, asked.new_type);
  const specs = readSpecs(type.extra_specs);
  checkSizeFor(type.name, specs, volume.size_gib);
  const multiattach = specs['multiattach'] === '<is> True';
  if (multiattach !== (volume.multiattach === 1) && volume.status !== 'available') {
    throw invalidInput(
      `Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, the specified volume however currently has a status of: ${volume.status}.`,
    );
  }
  const refused = (): Error =>
    invalidVolume(
      'Retype needs volume to be in available or in-use state, not be part of an active migration or a consistency group, requested type has to be different that the one from the volume, and for in-use volumes front-end qos specs cannot change.',
    );
  if (volume.volume_type_id === type.id || volume.group_id !== null || volume.pool === null) throw refused();
  const shall = await encryptionOf(app.db, type.id);
  const encrypted = shall !== null;
  const change = await encryptionChange(context, volume, shall, multiattach);
  const limits = await limitsOf(context, volume, type);
  if (limits.changed && (await hasStrangers(context, volume))) throw refused();
  const charge: Charge = {
    project: volume.project_id,
    of: 'volumes',
    amounts: { volumes: 1, gigabytes: volume.size_gib },
    type: type.id,
    typeOnly: true,
  };
  const common = {
    volumeId: volume.id,
    projectId: volume.project_id,
    userId: caller.userId,
    requestId: context.requestId,
  };
  const begun = await charged(context, [charge], async (tx) => {
    // The lock comes first: what the conditions look at can't change behind their back.
    if (change !== null)
      tx.later(tx.q.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate());
    change?.write(tx);
    // Under the type's lock: whoever changes how its volumes are encrypted sees this operation, or we what has changed.
    tx.must(
      tx.q
        .updateTable('volume_types')
        .set((eb) => ({ id: eb.ref('id') }))
        .where('id', '=', type.id)
        .where((eb) => {
          const record = eb.exists(
            eb
              .selectFrom('volume_type_encryptions')
              .select('volume_type_id')
              .where('volume_type_id', '=', type.id),
          );
          return encrypted ? record : eb.not(record);
        }),
    );
    const attached = limits.changed
      ? await tx.rows(
          tx.q
            .selectFrom('attachments')
            .select('id')
            .where('volume_id', '=', volume.id)
            .where('managed', '=', 1)
            .where('status', 'in', ['attaching', 'attached', 'detaching']),
        )
      : [];
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'retyping', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', volume.id)
        .where('status', 'in', change === null ? ['available', 'in-use'] : ['available'])
        .where(...hasKey(volume))
        .where((eb) => (change === null ? eb.lit(true) : uncopied(eb, volume.id)))
        .where((eb) => eb.or([eb('volume_type_id', 'is', null), eb('volume_type_id', '<>', type.id)])),
    );
    const operation = await app.operations.begin(tx, {
      kind: 'volume.retype',
      ...common,
      input: {
        type: { id: type.id, multiattach },
        policy: asked.migration_policy ?? 'never',
        ...(change !== null && { keys: change.keys }),
        account: mover(context, volume.id),
      },
    });
    hold(tx, operation, charge);
    const operations: OperationId[] = [operation];
    // Each waits for its turn, and then sets what the volume's type says by then.
    for (const { id: attachmentId } of attached) {
      const input = { before: limits.before };
      operations.push(await app.operations.begin(tx, { kind: 'qos.apply', ...common, attachmentId, input }));
    }
    return operations;
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? refused() : error;
  });
  for (const operation of begun) app.operations.submit(operation);
  return { status: 202 };
}

/** @throws ApiError 404 when there is none, or the caller may not use it */
async function chosenType(context: RequestContext, wanted: string): Promise<TypeRow> {
  const type = await readTypeByNameOrId(context.app.db, wanted);
  if (type !== undefined && (await mayUse(context, type))) return type;
  throw isUuid(wanted)
    ? noType(wanted)
    : new ApiError(404, `Volume type with name ${wanted.slice(0, 255).toWellFormed()} could not be found.`);
}

interface EncryptionChange {
  readonly keys: NonNullable<MoveInput['keys']>;
  /** Writes the new key, in the transaction that begins with the retype. */
  write(tx: Tx): void;
}

/**
 * What the new type changes about how the data are encrypted; null when they stay as they are. Whether they may be copied for it,
 * the operation finds out.
 * @throws ApiError 400 for a volume in use: nobody could tell its guest.
 */
async function encryptionChange(
  { app: { keys, ids } }: RequestContext,
  { id: volumeId, status, project_id: projectId, encryption_key_id: from }: VolumeRow,
  shall: VolumeEncryption | null,
  multiattach: boolean,
): Promise<EncryptionChange | null> {
  const is = from === null ? null : await keys.describe(from);
  if (shall !== null && multiattach)
    throw invalidInput('Retype requested both encryption and multi-attach, which is not supported.');
  if (is?.cipher === shall?.cipher && is?.keyBits === shall?.keyBits) return null;
  if (status === 'in-use')
    throw invalidInput(
      `Invalid volume_type passed, retypes affecting encryption are only allowed on available volumes, the specified volume however currently has a status of: ${status}.`,
    );
  if (shall === null) return { keys: { from, to: null }, write: () => {} };
  const to = asId<EncryptionKeyId>(ids.uuid());
  const key = { id: to, projectId, opens: volumeId, ...shall };
  return { keys: { from, to }, write: (tx) => keys.create(tx, key) };
}

/** What a hypervisor limits the volume to now, and whether it will be something else. */
async function limitsOf(
  { app: { db } }: RequestContext,
  volume: VolumeRow,
  to: TypeRow,
): Promise<{ readonly before: Iotune; readonly changed: boolean }> {
  const from = volume.volume_type_id === null ? undefined : await readType(db, volume.volume_type_id);
  const ids = [from?.qos_specs_id, to.qos_specs_id].filter((id): id is QosSpecId => id != null);
  const rows =
    ids.length === 0 ? [] : await db.selectFrom('qos_specs').selectAll().where('id', 'in', ids).execute();
  const limits = (id: QosSpecId | null | undefined): Iotune => {
    const row = rows.find((each) => each.id === id);
    const spec: QosSpec | null =
      row === undefined ? null : { consumer: row.consumer, specs: JSON.parse(row.specs) as QosSpec['specs'] };
    return resolveIotune(spec, volume.size_gib);
  };
  const [before, after] = [limits(from?.qos_specs_id), limits(to.qos_specs_id)];
  const changed =
    IOTUNE_KEYS.some((key) => (before[key] ?? 0) !== (after[key] ?? 0)) ||
    before.group_name !== after.group_name;
  return { before, changed };
}

/** Somebody has connected it by themselves: nobody here can change what limits they set. */
async function hasStrangers({ app }: RequestContext, { id }: VolumeRow): Promise<boolean> {
  const row = await app.db
    .selectFrom('attachments')
    .select('id')
    .where('volume_id', '=', id)
    .where('managed', '=', 0)
    .executeTakeFirst();
  return row !== undefined;
}
