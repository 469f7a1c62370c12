import { type ExpressionBuilder, sql } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { conflict, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { findVolume } from '../rows.ts';

/** `os-reserve`: the volume is somebody's from now on, though there is no attachment that says whose. */
export async function reserveVolume(context: RequestContext, id: string): Promise<Reply> {
  const volume = await findVolume(context, id);
  const from: VolumeStatus[] = volume.multiattach === 1 ? ['available', 'in-use'] : ['available'];
  const { numUpdatedRows } = await context.app.db
    .updateTable('volumes')
    .set({ status: 'attaching', updated_at: sqlTime(context.app.clock.now()) })
    .where('id', '=', volume.id)
    .where('status', 'in', from)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    throw invalidVolume(
      `Volume status must be ${from.join(' or ')} to reserve, but the status is ${volume.status}.`,
    );
  }
  return { status: 202 };
}

/** `os-unreserve`: nothing to do, as in Cinder, when it is not reserved. */
export async function unreserveVolume(context: RequestContext, id: string): Promise<Reply> {
  await unreserve(context, (await findVolume(context, id)).id);
  return { status: 202 };
}

/** Takes the reservation back, unless an operation or an attachment that is being made stands behind it. */
export async function unreserve({ app }: RequestContext, id: VolumeId): Promise<void> {
  await app.db
    .updateTable('volumes')
    .set({
      status: sql<VolumeStatus>`IF(EXISTS (SELECT 1 FROM attachments WHERE volume_id = ${id}), 'in-use', 'available')`,
      updated_at: sqlTime(app.clock.now()),
    })
    .where('id', '=', id)
    .where('status', '=', 'attaching')
    .where('operation_id', 'is', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('attachments')
            .select('id')
            .where('volume_id', '=', id)
            .where('status', '<>', 'attached'),
        ),
      ),
    )
    .execute();
}

/** `os-begin_detaching` @throws ApiError 409 for what our own agents have plugged in: they unplug it when they are asked to */
export async function beginDetaching(context: RequestContext, id: string): Promise<Reply> {
  const volume = await findVolume(context, id);
  const ours = await context.app.db
    .selectFrom('attachments')
    .select('server_id')
    .where('volume_id', '=', volume.id)
    .where('managed', '=', 1)
    .executeTakeFirst();
  if (ours !== undefined)
    throw conflict(`Detach volume from instance ${ours.server_id} using the Compute API`);
  const { numUpdatedRows } = await context.app.db
    .updateTable('volumes')
    .set({ status: 'detaching', updated_at: sqlTime(context.app.clock.now()) })
    .where('id', '=', volume.id)
    .where('status', '=', 'in-use')
    .where(isAttached(volume.id))
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    throw invalidVolume(
      "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
    );
  }
  return { status: 202 };
}

/** `os-roll_detaching`: what an operation of ours is at work to detach is left to that. */
export async function rollDetaching(context: RequestContext, id: string): Promise<Reply> {
  const volume = await findVolume(context, id);
  await context.app.db
    .updateTable('volumes')
    .set({ status: 'in-use', updated_at: sqlTime(context.app.clock.now()) })
    .where('id', '=', volume.id)
    .where('status', '=', 'detaching')
    .where('operation_id', 'is', null)
    .where(isAttached(volume.id))
    .execute();
  return { status: 202 };
}

function isAttached(id: VolumeId) {
  return (eb: ExpressionBuilder<Tables, 'volumes'>) =>
    eb.exists(
      eb.selectFrom('attachments').select('id').where('volume_id', '=', id).where('status', '=', 'attached'),
    );
}
