import type { RequestContext } from '#api/http/context.ts';
import { ApiError, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { type QosSpec, resolveIotune } from '#queues/qos/resolve.ts';
import { LostRow } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { isUuid, type OperationId, type QosSpecId, type VolumeTypeId } from '#schema/ids.ts';
import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import { charged, hold } from '../quotas/charge.ts';
import type { Charge } from '../quotas/charges.ts';
import { mayUse, noType, readType, readTypeByNameOrId, type TypeRow } from '../types/rows.ts';
import { encryptionOf } from '../types/volume-encryption.ts';
import { mover } from './migrate.ts';
import { findVolume, type VolumeRow } from './rows.ts';

interface Asked {
  readonly new_type: string;
  readonly migration_policy?: 'never' | 'on-demand' | null | undefined;
}

/** Gives a volume another type; whether it must move for that, and whether it may, its operation finds out. */
export async function retypeVolume(context: RequestContext, id: string, asked: Asked): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const type = await chosenType(context, asked.new_type);
  const specs = JSON.parse(type.extra_specs) as Record<string, string>;
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
  await checkEncryption(context, volume, type.id, multiattach);
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
        .where('status', 'in', ['available', 'in-use'])
        .where((eb) => eb.or([eb('volume_type_id', 'is', null), eb('volume_type_id', '<>', type.id)])),
    );
    const operation = await app.operations.begin(tx, {
      kind: 'volume.retype',
      ...common,
      input: {
        type: { id: type.id, multiattach },
        policy: asked.migration_policy ?? 'never',
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

/** The data stay as they are, encrypted or not. @throws ApiError 400 where the new type would have them otherwise */
async function checkEncryption(
  { app: { db, keys } }: RequestContext,
  { encryption_key_id: key }: VolumeRow,
  type: VolumeTypeId,
  multiattach: boolean,
): Promise<void> {
  const [is, shall] = [key === null ? null : await keys.describe(key), await encryptionOf(db, type)];
  if (shall !== null && multiattach)
    throw invalidInput('Retype requested both encryption and multi-attach, which is not supported.');
  if (is?.cipher === shall?.cipher && is?.keyBits === shall?.keyBits) return;
  throw invalidInput('Invalid volume_type passed, retypes affecting encryption are not supported.');
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
