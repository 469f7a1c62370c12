import { z } from 'zod';
import { ApiError } from '#api/http/errors.ts';

/** Keystone's "resource options", of which one is here. */
export const resourceOptions = z.strictObject({ immutable: z.boolean().nullable().optional() });
export const resourceOptionsView = z.strictObject({ immutable: z.boolean().optional() });

interface Row {
  readonly id: string;
  readonly immutable: 0 | 1 | null;
}
type Options = z.infer<typeof resourceOptions> | undefined;

/** What `options` make of a row's `immutable`; null takes the option away. */
export function immutableOf(options: Options, old: Row['immutable'] = null): Row['immutable'] {
  const { immutable } = options ?? {};
  if (immutable === undefined) return old;
  return immutable === null ? null : immutable ? 1 : 0;
}

export function optionsOf({ immutable }: Row): z.infer<typeof resourceOptionsView> {
  return immutable === null ? {} : { immutable: immutable === 1 };
}

/**
 * @param sent of an update: one that makes it mutable, and does nothing else, is allowed.
 * @throws ApiError 403 for what is immutable.
 */
export function checkMutable(what: string, row: Row, sent?: { readonly options?: Options }): void {
  if (row.immutable !== 1) return;
  const frees = sent?.options?.immutable === false || sent?.options?.immutable === null;
  if (frees && Object.keys(sent ?? {}).length === 1) return;
  throw new ApiError(
    403,
    `Unable to ${sent === undefined ? 'delete' : 'update'} immutable ${what} resource: \`${row.id}. Set resource option "immutable" to false first.`,
  );
}
