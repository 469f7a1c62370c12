import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { anyQuery } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Specs } from '../type-fields.ts';
import { findGroupType, noGroupType, readGroupType, specsOf } from './rows.ts';
import { specBody, specReply, specsBody, specsReply } from './schema.ts';

async function change({ app }: RequestContext, id: string, edit: (specs: Specs) => Specs): Promise<void> {
  await transact(app.db, async (trx) => {
    const row = await readGroupType(trx, id, true);
    if (row === undefined) throw noGroupType(id);
    await trx
      .updateTable('group_types')
      .set({ group_specs: JSON.stringify(edit(specsOf(row))), updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', row.id)
      .execute();
  });
}

const typeParams = z.strictObject({ group_type_id: z.string() });
const specParams = z.strictObject({ group_type_id: z.string(), key: z.string() });
const admin = { since: 11, query: anyQuery } as const;

export const groupSpecRoutes: readonly Route[] = [
  route({
    ...admin,
    method: 'GET',
    path: '/group_types/{group_type_id}/group_specs',
    summary: "List a group type's specs",
    params: typeParams,
    replies: { 200: specsReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: { group_specs: specsOf(await findGroupType(context, params.group_type_id)) },
    }),
  }),
  route({
    ...admin,
    method: 'POST',
    path: '/group_types/{group_type_id}/group_specs',
    summary: 'Add specs to a group type',
    params: typeParams,
    body: specsBody,
    replies: { 202: specsReply },
    handle: async (context, { params, body }) => {
      await change(context, params.group_type_id, (specs) => ({ ...specs, ...body.group_specs }));
      return { status: 202, body };
    },
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/group_types/{group_type_id}/group_specs/{key}',
    summary: "Show one of a group type's specs",
    params: specParams,
    replies: { 200: specReply },
    handle: async (context, { params: { group_type_id: id, key } }) => {
      const specs = specsOf(await findGroupType(context, id));
      if (!Object.hasOwn(specs, key)) {
        throw new ApiError(404, `Group Type ${id} has no extra spec with key ${key.slice(0, 255)}.`);
      }
      return { status: 200, body: { [key]: specs[key] } };
    },
  }),
  route({
    ...admin,
    method: 'PUT',
    path: '/group_types/{group_type_id}/group_specs/{key}',
    summary: "Change one of a group type's specs",
    params: specParams,
    body: specBody,
    replies: { 200: specReply },
    handle: async (context, { params: { group_type_id: id, key }, body }) => {
      if (!Object.hasOwn(body, key)) throw badRequest('Request body and URI mismatch');
      await change(context, id, (specs) => ({ ...specs, ...body }));
      return { status: 200, body };
    },
  }),
  route({
    ...admin,
    method: 'DELETE',
    path: '/group_types/{group_type_id}/group_specs/{key}',
    summary: "Delete one of a group type's specs",
    params: specParams,
    replies: { 202: null },
    handle: async (context, { params: { group_type_id: id, key } }) => {
      await change(context, id, (specs) => {
        if (!Object.hasOwn(specs, key)) {
          throw new ApiError(404, `Group Type ${id} has no specs with key ${key.slice(0, 255)}.`);
        }
        return Object.fromEntries(Object.entries(specs).filter(([name]) => name !== key));
      });
      return { status: 202 };
    },
  }),
];
