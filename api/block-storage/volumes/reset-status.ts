import type { Selectable, Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { keysOf } from '#queues/key-manager/keys-to-be.ts';
import { sqlTime } from '#schema/clock.ts';
import type { AttachmentId, EncryptionKeyId, VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES, VOLUME_STATUSES, type VolumeStatus } from '#schema/states.ts';
import type { Tables, VolumesTable } from '#schema/tables.ts';
import { findVolume } from './rows.ts';

/** Cinder's own list, in its order. */
const CINDER_STATUSES = [
  'creating',
  'available',
  'deleting',
  'error',
  'error_deleting',
  'error_managing',
  'managing',
  'attaching',
  'in-use',
  'detaching',
  'maintenance',
  'restoring-backup',
  'error_restoring',
  'reserved',
  'awaiting-transfer',
  'backing-up',
  'error_backing-up',
  'error_extending',
  'downloading',
  'uploading',
  'retyping',
  'extending',
];
const ATTACH_STATUSES = ['attached', 'detached'];
const MIGRATION_STATUSES = ['migrating', 'error', 'success', 'completing', 'none', 'starting'];

interface Wanted {
  readonly status?: string | null | undefined;
  readonly attach_status?: string | null | undefined;
  readonly migration_status?: string | null | undefined;
}

/**
 * Corrects what is recorded of a volume. Unlike Cinder's it never contradicts what is known: not while an operation is
 * at work, not `available` while an attachment exists, and it takes no attachment away that lets a host in.
 */
export async function resetStatus(context: RequestContext, id: string, wanted: Wanted): Promise<Reply> {
  const { db, clock } = context.app;
  const { status, attachStatus, migrationStatus } = checkWanted(wanted);
  const volume = await findVolume(context, id);
  await transact(db, async (trx) => {
    const [locked] = await trx
      .selectFrom('volumes')
      .select(['id', 'status'])
      .where('id', '=', volume.id)
      .forUpdate()
      .execute();
    if (locked === undefined) return;
    await refuseBusy(trx, volume.id);
    if (migrationStatus !== undefined || (status !== undefined && !status.startsWith('error')))
      await refuseHalfway(trx, locked);
    const before = await attachmentsOf(trx, volume.id);
    if (attachStatus === 'detached') await forgetAll(trx, before);
    const left = attachStatus === 'detached' ? [] : before;
    const [attached] = left;
    if (attachStatus === 'attached' && attached === undefined) {
      throw badRequest('Cannot reset-state to attached because volume does not have any attachments.');
    }
    if (status === 'in-use' && attached === undefined) {
      throw badRequest('Cannot reset-state to in-use because volume does not have any attachments.');
    }
    if (status === 'available' && attached !== undefined) {
      throw badRequest(
        `Cannot reset-state to available while attachment ${attached.id} exists; delete it first.`,
      );
    }
    await trx
      .updateTable('volumes')
      .set({
        ...(status !== undefined && { status }),
        ...(migrationStatus !== undefined && { migration_status: migrationStatus }),
        updated_at: sqlTime(clock.now()),
      })
      .where('id', '=', volume.id)
      .execute();
  });
  return { status: 202 };
}

async function refuseBusy(trx: Transaction<Tables>, id: VolumeId): Promise<void> {
  const open = await trx
    .selectFrom('operations')
    .select(['id', 'kind'])
    .where('volume_id', '=', id)
    .where('state', 'in', OPEN_OPERATION_STATES)
    .executeTakeFirst();
  if (open === undefined) return;
  throw badRequest(`Cannot reset-state while operation ${open.id} (${open.kind}) is at work on the volume.`);
}

/**
 * @throws ApiError 400 while a retype is stuck that may have begun to replace the data, or that `restored` has ended: which key opens
 * them nobody knows then, and a guest could be given what is encrypted as if it were not. Such a one keeps both keys.
 */
async function refuseHalfway(
  trx: Transaction<Tables>,
  { id, status }: Pick<Selectable<VolumesTable>, 'id' | 'status'>,
): Promise<void> {
  if (!status.startsWith('error')) return;
  const stuck = await trx
    .selectFrom('operations')
    .select(['id', 'kind', 'input'])
    .where('volume_id', '=', id)
    .where('kind', '=', 'volume.retype')
    .where('state', '=', 'stuck')
    // One that has replaced them, or has moved them, and could not clear away what was there, is past that.
    .where((past) =>
      past.not(
        past.exists(
          past
            .selectFrom('operation_steps as step')
            .select('step.position')
            .whereRef('step.operation_id', '=', 'operations.id')
            .where((eb) =>
              eb.or([
                eb('step.name', '=', 'remove'),
                eb.and([eb('step.name', '=', 'replace'), eb('step.state', '=', 'done')]),
              ]),
            ),
        ),
      ),
    )
    .execute();
  for (const { id: retype, kind, input } of stuck) {
    const keys = keysOf(kind, input);
    if (keys.length === 0 || !(await areKept(trx, keys))) continue;
    throw badRequest(
      `Cannot reset-state while retype ${retype} is stuck between two encryptions: which of them the data have is not known. The volume can be deleted.`,
    );
  }
}

async function areKept(trx: Transaction<Tables>, keys: readonly EncryptionKeyId[]): Promise<boolean> {
  const kept = await trx.selectFrom('encryption_keys').select('id').where('id', 'in', keys).execute();
  return kept.length === keys.length;
}

function attachmentsOf(trx: Transaction<Tables>, id: VolumeId) {
  return trx.selectFrom('attachments').select(['id', 'initiator']).where('volume_id', '=', id).execute();
}

/** @throws ApiError 400 when one of them lets a host in: only that host knows whether it has let go. */
async function forgetAll(
  trx: Transaction<Tables>,
  rows: readonly { readonly id: AttachmentId; readonly initiator: string | null }[],
): Promise<void> {
  const exported = rows.find(({ initiator }) => initiator !== null);
  if (exported !== undefined) {
    throw badRequest(
      `Cannot reset-state to detached while attachment ${exported.id} lets a host in; delete it first.`,
    );
  }
  for (const { id } of rows) await trx.deleteFrom('attachments').where('id', '=', id).execute();
}

/** @throws ApiError 400 in Cinder's words */
function checkWanted({ status, attach_status, migration_status }: Wanted) {
  if (!status && !attach_status && !migration_status) {
    throw badRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.");
  }
  const migration = checked('Volume migration status', migration_status, MIGRATION_STATUSES, '()');
  return {
    status: checkStatus(status),
    attachStatus: checked('Volume attach status', attach_status, ATTACH_STATUSES, '[]'),
    migrationStatus:
      migration === 'none' ? null : (migration as VolumesTable['migration_status'] | undefined),
  };
}

function checkStatus(given: string | null | undefined): VolumeStatus | undefined {
  const wanted = checked('Volume status', given, CINDER_STATUSES, '()');
  if (wanted === undefined) return undefined;
  const status = VOLUME_STATUSES.find((known) => known === wanted);
  // That one promises that the volume goes by itself.
  if (status === undefined || status === 'deleting') throw badRequest(`Cannot reset-state to ${wanted}`);
  return status;
}

function checked(
  what: string,
  given: string | null | undefined,
  valid: readonly string[],
  /** Python shows some of these lists as tuples. */
  brackets: '()' | '[]',
): string | undefined {
  if (!given) return undefined;
  const wanted = given.toLowerCase();
  if (valid.includes(wanted)) return wanted;
  throw badRequest(
    `${what}: ${given.slice(0, 100).toWellFormed()} is invalid, valid statuses are: ${brackets[0]}${valid.map((one) => `'${one}'`).join(', ')}${brackets[1]}.`,
  );
}
