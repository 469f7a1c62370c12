/** Field types of Keystone's API. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { noSuchRoute } from '#api/http/errors.ts';
import type { BuiltinIdentity } from './builtin/service.ts';
import { ID_CHARACTERS } from './comparable.ts';

export const name255 = z.string().trim().min(1, { error: 'is too short' }).max(255, { error: 'is too long' });
export const description = z.string().max(16_000).nullable();
export const enabled = z.boolean();
/** Of projects and domains, which are one thing to Keystone. */
export const name64 = name255.max(64, { error: 'is too long' });
/** The fields of an update, of which there is at least one. */
export const atLeastOne = <T extends z.ZodType>(fields: T): T =>
  fields.refine((sent) => Object.keys(sent as object).length > 0, {
    error: 'does not have enough properties',
  });
export const someId = z.string().min(1).max(64).regex(ID_CHARACTERS, { error: 'is not an id' });

export const selfLink = z.strictObject({ self: z.string() });
export const listLinks = z.strictObject({ self: z.string(), next: z.null(), previous: z.null() });
export const options = z.strictObject({});

/** The links of a list, which always holds everything. */
export function linksOf({ selfUrl, rawQuery }: RequestContext, path: string) {
  const query = rawQuery === '' ? '' : `?${rawQuery}`;
  return { self: `${selfUrl}${path}${query}`, next: null, previous: null };
}

/** @throws ApiError 404 where somebody else keeps users and projects. */
export function identityOf({ app }: RequestContext): BuiltinIdentity {
  if (app.identity === undefined) throw noSuchRoute();
  return app.identity;
}

/** Ids as Keystone makes them. */
export function newId({ app }: Pick<RequestContext, 'app'>): string {
  return app.ids.uuid().replaceAll('-', '');
}
