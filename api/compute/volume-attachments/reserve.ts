import { sql } from 'kysely';
import type { VolumeRow } from '#api/block-storage/volumes/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import { invalidVolume } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';

/** A change of the type's QoS spec waits until this attach has begun, and then retunes it; see changeQos. */
export function holdType(tx: Tx, volume: VolumeRow): void {
  if (volume.volume_type_id === null) return;
  // MariaDB knows no FOR SHARE.
  tx.later(
    sql`SELECT id FROM volume_types WHERE id = ${volume.volume_type_id} LOCK IN SHARE MODE`.compile(tx.q),
  );
}

/** `available → attaching` by compare-and-swap. @throws ApiError 400 when it is not available. */
export async function reserve({ app }: RequestContext, tx: Tx, volume: VolumeRow): Promise<void> {
  const { matched } = await tx.change(
    tx.q
      .updateTable('volumes')
      .set({ status: 'attaching', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', volume.id)
      .where('status', '=', 'available'),
  );
  if (matched > 0) return;
  const [current] = await tx.rows(tx.q.selectFrom('volumes').select('status').where('id', '=', volume.id));
  throw invalidVolume(
    `volume ${volume.id} status must be 'available'. Currently in '${current?.status ?? 'deleted'}'`,
  );
}
