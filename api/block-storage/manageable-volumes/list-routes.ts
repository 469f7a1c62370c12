import type { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { type Listing, listManageable } from './list.ts';
import type { Manageable } from './stored.ts';

/** What could be managed, in short and with details. */
export function manageableLists<M extends Manageable>(
  { path, since }: { readonly path: string; readonly since?: number },
  { summary, ...listing }: Listing<M> & { readonly summary: string },
  replies: { readonly short: z.ZodType; readonly detail: z.ZodType },
): Route[] {
  const shared = {
    method: 'GET',
    ...(since !== undefined && { since }),
    params: noParams,
    query: anyQuery,
    queryNames: [...LIST_QUERY, 'host', 'cluster'],
  } as const;
  return [
    route({
      ...shared,
      path,
      summary,
      replies: { 200: replies.short },
      handle: (context, { query }) => listManageable(context, query, false, listing),
    }),
    route({
      ...shared,
      path: `${path}/detail`,
      summary: `${summary}, with details`,
      replies: { 200: replies.detail },
      handle: (context, { query }) => listManageable(context, query, true, listing),
    }),
  ];
}
