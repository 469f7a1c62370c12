import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { volumeStatusesBefore } from '#schema/states.ts';
import { deleteVolume, refused } from '../volumes/delete.ts';
import { refuseEncrypted } from '../volumes/encryption.ts';
import { findVolume } from '../volumes/rows.ts';

/** Forgets a volume that nobody uses; its data stay, as `unmanaged-<id>`. */
export async function unmanageVolume(context: RequestContext, id: string): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  refuseEncrypted(volume, 'unmanaged');
  // It lies nowhere: there is only its row to forget.
  if (volume.pool === null) return deleteVolume(context, id);
  const operation = await transaction(app.db, async (tx) => {
    // The lock comes first: what the conditions look at can't change behind their back.
    tx.later(tx.q.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate());
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'unmanaging', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', volume.id)
        .where('status', 'in', volumeStatusesBefore('unmanaging'))
        .where('pool', 'is not', null)
        .where('group_id', 'is', null)
        .where((eb) =>
          eb.and([
            eb.not(eb.exists(eb.selectFrom('attachments').select('id').where('volume_id', '=', volume.id))),
            eb.not(eb.exists(eb.selectFrom('snapshots').select('id').where('volume_id', '=', volume.id))),
            eb.not(
              eb.exists(
                eb
                  .selectFrom(
                    eb
                      .selectFrom('volumes as each')
                      .select('each.id')
                      .where('each.source_volume_id', '=', volume.id)
                      .where('each.status', '=', 'creating')
                      .limit(1)
                      .as('copies'),
                  )
                  .select('copies.id'),
              ),
            ),
          ]),
        ),
    );
    return app.operations.begin(tx, {
      kind: 'volume.unmanage',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { name: `unmanaged-${volume.id}` },
    });
  }).catch(async (error: unknown) => {
    throw error instanceof LostRow ? await refused(app, volume) : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}
