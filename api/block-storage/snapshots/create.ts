import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume, notFound } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow } from '#queues/transaction.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { charged } from '../quotas/charge.ts';
import { snapshotCharge } from '../quotas/charges.ts';
import { checkStorage } from '../services/down.ts';
import { refuseFrozen } from '../services/freeze.ts';
import { findVolume } from '../volumes/rows.ts';
import { newSnapshot } from './rows.ts';
import type { NewSnapshot } from './schema.ts';
import { detailView } from './view.ts';

/** From here on a volume in use needs no force, and none may be asked for. */
const NO_FORCE_SINCE = 66;

/** Takes a snapshot of the volume as it will be when its turn comes: after what was asked for before. */
export async function createSnapshot(context: RequestContext, wanted: NewSnapshot): Promise<Reply> {
  const { app, caller, microversion } = context;
  const legal = legalStatuses(wanted, microversion);
  // Cinder looks for that, too.
  if (wanted.volume_id === null) throw notFound('Volume', 'None');
  const volume = await findVolume(context, wanted.volume_id);
  await refuseFrozen(app, [volume]);
  const { status } = volume;
  if (volume.pool === null && (status === 'creating' || status === 'error')) {
    throw invalidVolume('The snapshot cannot be created because volume has not been scheduled to any host.');
  }
  if (status === 'maintenance' || status === 'error') {
    const what = status === 'error' ? 'error status' : 'maintenance mode';
    throw invalidVolume(`The snapshot cannot be created when the volume is in ${what}.`);
  }
  await checkStorage(app, volume);
  const row = newSnapshot(context, volume, { ...wanted, name: wanted.name ?? wanted.display_name });
  const operation = await charged(context, [snapshotCharge(row, volume)], async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set((eb) => ({ status: eb.ref('status') }))
        .where('id', '=', volume.id)
        .where('size_gib', '=', volume.size_gib)
        .where('status', 'in', legal),
    );
    tx.later(tx.q.insertInto('snapshots').values(row));
    return app.operations.begin(tx, {
      kind: 'snapshot.create',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { snapshotId: row.id },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidVolume(
      `Volume ${volume.id} status must be ${legal.join(', ')}, but current status is: ${volume.status}.`,
    );
  });
  app.operations.submit(operation);
  return { status: 202, body: { snapshot: detailView(context, row) } };
}

function legalStatuses({ force }: NewSnapshot, microversion: number): VolumeStatus[] {
  if (microversion < NO_FORCE_SINCE) return force === true ? ['available', 'in-use'] : ['available'];
  if (force === false) {
    throw badRequest(
      "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
    );
  }
  return ['available', 'in-use'];
}
