import { z } from 'zod';
import type { ProjectRow } from './handlers.ts';

const MOST = 80;
/** Keystone's own bounds. */
const tag = z
  .string()
  .min(1, { error: 'is too short' })
  .max(255, { error: 'is too long' })
  .regex(/^[^,/]*$/, { error: "does not match '^[^,/]*$'" });
export const tags = z
  .array(tag)
  .max(MOST, { error: 'is too long' })
  .refine((all) => new Set(all).size === all.length, { error: 'has non-unique elements' });

export function tagsOf({ tags: text }: Pick<ProjectRow, 'tags'>): readonly string[] {
  return text === null ? [] : (JSON.parse(text) as string[]);
}

/** @param old what stays when nothing is said. */
export function tagsText(wanted: readonly string[] | undefined, old: string | null = null): string | null {
  if (wanted === undefined) return old;
  return wanted.length === 0 ? null : JSON.stringify(wanted.toSorted());
}

export const TAG_FILTERS = ['tags', 'tags-any', 'not-tags', 'not-tags-any'] as const;

/** What `tags` (all of them), `tags-any`, `not-tags` and `not-tags-any` leave of a list. */
export function taggedAs(query: Readonly<Record<string, string>>): (row: ProjectRow) => boolean {
  const [all, any, notAll, notAny] = TAG_FILTERS.map((name) => query[name]?.split(','));
  return (row) => {
    const own = new Set(tagsOf(row));
    const has = (one: string): boolean => own.has(one);
    return (
      (all?.every(has) ?? true) &&
      (any?.some(has) ?? true) &&
      !(notAll?.every(has) ?? false) &&
      !(notAny?.some(has) ?? false)
    );
  };
}
