/** Field types of Keystone's API. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { noSuchRoute } from '#api/http/errors.ts';
import { flag } from '#api/http/fields.ts';
import type { BuiltinIdentity } from './builtin/service.ts';

export const name255 = z.string().trim().min(1, { error: 'is too short' }).max(255, { error: 'is too long' });
export const description = z.string().max(16_000).nullable();
export const enabled = flag;
export const someId = z.string().min(1).max(64);

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

/** A filter that is a flag: `enabled`, `enabled=`, `enabled=1` say yes. */
export function flagFilter(text: string | undefined): 0 | 1 | undefined {
  if (text === undefined) return undefined;
  return /^(0|f|false|off|n|no)$/i.test(text) ? 0 : 1;
}
