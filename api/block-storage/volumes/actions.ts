import type { RequestContext } from '#api/http/context.ts';
import { forbidden, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { readSpecs } from '#queues/placement/extra-specs.ts';
import { LostRow } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { charged, hold } from '../quotas/charge.ts';
import type { Charge } from '../quotas/charges.ts';
import { checkStorage } from '../services/down.ts';
import { readType } from '../types/rows.ts';
import { checkSizeFor } from '../types/size-limits.ts';
import { deleteVolume } from './delete.ts';
import { findVolume, type VolumeRow } from './rows.ts';

/** Microversion from which a volume in use may grow. */
const EXTEND_IN_USE_SINCE = 42;

/** @param toGib the new size; must be greater than the present one. */
export async function extendVolume(context: RequestContext, id: string, toGib: number): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  if (toGib <= volume.size_gib) {
    throw invalidInput(
      `New size for extend must be greater than current size. (current: ${volume.size_gib}, extended: ${toGib}).`,
    );
  }
  await checkType(context, volume, toGib);
  await checkStorage(app, volume);
  const inUse = context.microversion >= EXTEND_IN_USE_SINCE && volume.status === 'in-use';
  const expected: VolumeStatus = inUse ? 'in-use' : 'available';
  // Its row grows only when it has grown.
  const growth: Charge = {
    project: volume.project_id,
    of: 'volumes',
    amounts: { per_volume_gigabytes: toGib, gigabytes: toGib - volume.size_gib },
    type: volume.volume_type_id,
  };
  const operation = await charged(context, [growth], async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'extending', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', volume.id)
        .where('status', '=', expected)
        .where('size_gib', '=', volume.size_gib),
    );
    const extending = await app.operations.begin(tx, {
      kind: 'volume.extend',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { fromGib: volume.size_gib, toGib },
    });
    hold(tx, extending, growth);
    return extending;
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidVolume(
      `Volume ${volume.id} status must be '{'status': '${expected}'}' to extend, currently ${volume.status}.`,
    );
  });
  app.operations.submit(operation);
  return { status: 202 };
}

/** @throws ApiError 400 when the volume's type has none so large */
async function checkType(
  { app }: RequestContext,
  { volume_type_id: id }: VolumeRow,
  sizeGib: number,
): Promise<void> {
  const type = id === null ? undefined : await readType(app.db, id);
  if (type !== undefined) checkSizeFor(type.name, readSpecs(type.extra_specs), sizeGib);
}

export async function forceDelete(context: RequestContext, id: string): Promise<Reply> {
  if (!context.caller.isAdmin) throw forbidden("Policy doesn't allow volume:force_delete to be performed.");
  return deleteVolume(context, id, { force: true });
}

/**
 * Nova's word on a guest that was to see a volume grow (from 3.71). Here an extend in use has its own steps at the hypervisor, and
 * waits for nobody else.
 */
export async function completeExtend(context: RequestContext, id: string): Promise<Reply> {
  const { status } = await findVolume(context, id);
  throw invalidVolume(
    status === 'extending'
      ? 'Required volume admin metadata is malformed or missing.'
      : 'Volume is not being extended.',
  );
}
