import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { anyQuery } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Specs } from '../type-fields.ts';
import { findType, noType, readType, visibleSpecs } from './rows.ts';
import { specBody, specReply, specsBody, specsReply } from './schema.ts';

/** Changes a type's extra specs, unless volumes of it exist: they were placed by the old ones. */
async function change(context: RequestContext, id: string, edit: (specs: Specs) => Specs): Promise<void> {
  const { db, clock } = context.app;
  await transact(db, async (trx) => {
    const row = await readType(trx, id, true);
    if (row === undefined) throw noType(id);
    const volume = await trx
      .selectFrom('volumes')
      .select('id')
      .where('volume_type_id', '=', row.id)
      .limit(1)
      .executeTakeFirst();
    if (volume !== undefined) throw badRequest('Volume Type is currently in use.');
    const after = edit(JSON.parse(row.extra_specs) as Specs);
    checkCacheable(after);
    await trx
      .updateTable('volume_types')
      .set({
        extra_specs: JSON.stringify(after),
        updated_at: sqlTime(clock.now()),
      })
      .where('id', '=', row.id)
      .execute();
  });
}

/** A cache in front of a disk that several servers write to would be wrong about what it holds. */
function checkCacheable({ multiattach, cacheable }: Specs): void {
  if (multiattach === TRUE && cacheable === TRUE)
    throw badRequest('cacheable cannot be set with multiattach.');
}

const TRUE = '<is> True';

function missing(id: string, key: string): ApiError {
  return new ApiError(
    404,
    `Volume Type ${id.slice(0, 255)} has no extra specs with key ${key.slice(0, 255)}.`,
  );
}

const typeParams = z.strictObject({ type_id: z.string() });
const specParams = z.strictObject({ type_id: z.string(), key: z.string() });

export const extraSpecRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/types/{type_id}/extra_specs',
    summary: "List a type's extra specs",
    params: typeParams,
    query: anyQuery,
    replies: { 200: specsReply },
    handle: async (context, { params }) => {
      const row = await findType(context, params.type_id);
      return { status: 200, body: { extra_specs: visibleSpecs(context, row) } };
    },
  }),
  route({
    method: 'POST',
    path: '/types/{type_id}/extra_specs',
    summary: 'Add extra specs to a type',
    params: typeParams,
    query: anyQuery,
    body: specsBody,
    replies: { 200: specsReply },
    handle: async (context, { params, body }) => {
      await change(context, params.type_id, (specs) => ({ ...specs, ...body.extra_specs }));
      return { status: 200, body };
    },
  }),
  route({
    method: 'GET',
    path: '/types/{type_id}/extra_specs/{key}',
    summary: "Show one of a type's extra specs",
    params: specParams,
    query: anyQuery,
    replies: { 200: specReply },
    handle: async (context, { params: { type_id: id, key } }) => {
      const specs = visibleSpecs(context, await findType(context, id));
      if (!Object.hasOwn(specs, key)) throw missing(id, key);
      return { status: 200, body: { [key]: specs[key] } };
    },
  }),
  route({
    method: 'PUT',
    path: '/types/{type_id}/extra_specs/{key}',
    summary: "Change one of a type's extra specs",
    params: specParams,
    query: anyQuery,
    body: specBody,
    replies: { 200: specReply },
    handle: async (context, { params: { type_id: id, key }, body }) => {
      if (!Object.hasOwn(body, key)) throw badRequest('Request body and URI mismatch');
      await change(context, id, (specs) => ({ ...specs, ...body }));
      return { status: 200, body };
    },
  }),
  route({
    method: 'DELETE',
    path: '/types/{type_id}/extra_specs/{key}',
    summary: "Delete one of a type's extra specs",
    params: specParams,
    query: anyQuery,
    replies: { 202: null },
    handle: async (context, { params: { type_id: id, key } }) => {
      await change(context, id, (specs) => {
        if (!Object.hasOwn(specs, key)) throw missing(id, key);
        return Object.fromEntries(Object.entries(specs).filter(([name]) => name !== key));
      });
      return { status: 202 };
    },
  }),
];
