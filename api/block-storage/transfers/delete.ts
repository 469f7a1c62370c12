import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { findTransfer, noTransfer } from './rows.ts';

/** Takes the offer back; a volume that has been reset by hand meanwhile keeps its status. */
export async function deleteTransfer(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const transfer = await findTransfer(context, id);
  await transaction(app.db, async (tx) => {
    tx.later(
      tx.q
        .updateTable('volumes')
        .set({ status: 'available', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', transfer.volume_id)
        .where('status', '=', 'awaiting-transfer'),
    );
    tx.must(tx.q.deleteFrom('volume_transfers').where('id', '=', transfer.id));
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? noTransfer(id) : error;
  });
  return { status: 202 };
}
