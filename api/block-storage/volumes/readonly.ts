import { z } from 'zod';
import { invalidVolume } from '#api/http/errors.ts';
import { anyQuery, flag, idParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { findVolume } from './rows.ts';

const ACTION = 'os-update_readonly_flag';

/** Whoever the volume is attached to from then on may only read it. */
export const readonlyRoute: Route = route({
  method: 'POST',
  path: '/volumes/{id}/action',
  action: ACTION,
  summary: 'Say whether a volume may only be read',
  params: idParams,
  query: anyQuery,
  body: z.strictObject({ [ACTION]: z.strictObject({ readonly: flag }) }),
  replies: { 202: null },
  async handle(context, { params, body }) {
    const { db, clock } = context.app;
    const volume = await findVolume(context, params.id);
    const { numUpdatedRows } = await db
      .updateTable('volumes')
      .set({ readonly: body[ACTION].readonly ? 1 : 0, updated_at: sqlTime(clock.now()) })
      .where('id', '=', volume.id)
      .where('status', '=', 'available')
      .executeTakeFirst();
    if (numUpdatedRows === 0n) {
      throw invalidVolume(
        `Volume ${volume.id} status must be available to update readonly flag, but current status is: ${volume.status}.`,
      );
    }
    return { status: 202 };
  },
});
