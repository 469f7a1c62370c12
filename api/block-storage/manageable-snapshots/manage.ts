import type { RequestContext } from '#api/http/context.ts';
import { ApiError, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow } from '#queues/transaction.ts';
import { charged } from '../quotas/charge.ts';
import { snapshotCharge } from '../quotas/charges.ts';
import { checkStorage } from '../services/down.ts';
import { newSnapshot } from '../snapshots/rows.ts';
import { detailView } from '../snapshots/view.ts';
import { findVolume } from '../volumes/rows.ts';
import type { Asked } from './schema.ts';
import { listStoredSnapshots, type ManageableSnapshot, unmanagedName } from './stored.ts';

/** Makes a snapshot of what lies beside its volume; a 202 means that the row and the operation are committed. */
export async function manageSnapshot(context: RequestContext, asked: Asked): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, asked.volume_id);
  if (volume.pool === null) throw invalidVolume(`Volume ${volume.id} lies nowhere.`);
  await checkStorage(app, volume);
  const item = choose(await listStoredSnapshots(context, volume.pool), asked.ref, volume.id);
  if (item.sizeGib !== volume.size_gib)
    throw invalidInput(
      `Failed to manage existing snapshot ${item.name}: it has ${item.sizeGib} GiB, and volume ${volume.id} has ${volume.size_gib} GiB.`,
    );
  const row = newSnapshot(context, volume, asked);
  const operation = await charged(context, [snapshotCharge(row, volume)], async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set((eb) => ({ status: eb.ref('status') }))
        .where('id', '=', volume.id)
        .where('size_gib', '=', volume.size_gib)
        .where('pool', '=', volume.pool)
        .where('status', 'in', ['available', 'in-use']),
    );
    tx.later(tx.q.insertInto('snapshots').values(row));
    return app.operations.begin(tx, {
      kind: 'snapshot.manage',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { snapshotId: row.id, name: item.name },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidVolume(
      `Volume ${volume.id} status must be available or in-use, but current status is: ${volume.status}.`,
    );
  });
  app.operations.submit(operation);
  return { status: 202, body: { snapshot: detailView(context, row) } };
}

/** Clients know Cinder's own name for a snapshot, which it keeps there when it is unmanaged. */
const CINDERS = /^_?snapshot-([0-9a-f-]{36})$/;

/** @throws ApiError 400 or 404 when there is no such thing, or it cannot be managed */
function choose(
  items: readonly ManageableSnapshot[],
  ref: Asked['ref'],
  volumeId: string,
): ManageableSnapshot {
  const name = typeof ref === 'string' ? ref : ref['source-name'];
  const former = unmanagedName(CINDERS.exec(name)?.[1] ?? name, volumeId);
  const item = items.find((each) => each.name === name) ?? items.find((each) => each.name === former);
  if (item === undefined)
    throw new ApiError(
      400,
      `Manage existing snapshot failed due to invalid backend reference ${name.toWellFormed()}: there is nothing of that name.`,
    );
  if (item.origin !== null && item.origin !== `volume-${volumeId}`)
    throw invalidInput(`Unable to manage existing snapshot ${item.name}: it is of ${item.origin}.`);
  if (item.reason !== null)
    throw invalidInput(`Unable to manage existing snapshot ${item.name}: ${item.reason}.`);
  return item;
}
