import type { Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import type { AttachmentRow } from './rows.ts';

/** Statuses that a volume has because of its attachments alone. */
const FREED_FROM: readonly VolumeStatus[] = ['reserved', 'attaching', 'in-use', 'detaching'];

/** Nobody is let in by it: the row goes, and the volume is free unless others hold it. */
export async function forget(
  { app }: RequestContext,
  trx: Transaction<Tables>,
  row: Pick<AttachmentRow, 'id' | 'volume_id'>,
  from: readonly VolumeStatus[] = FREED_FROM,
): Promise<void> {
  await trx.deleteFrom('attachments').where('id', '=', row.id).execute();
  const others = await trx
    .selectFrom('attachments')
    .select('status')
    .where('volume_id', '=', row.volume_id)
    .execute();
  const wasLast = others.length === 0;
  if (!wasLast && others.every(({ status }) => status !== 'attached')) return;
  await trx
    .updateTable('volumes')
    .set({ status: wasLast ? 'available' : 'in-use', updated_at: sqlTime(app.clock.now()) })
    .where('id', '=', row.volume_id)
    .where('status', 'in', wasLast ? from : ['detaching'])
    .$if(!wasLast, (update) => update.where('operation_id', 'is', null))
    .execute();
}
