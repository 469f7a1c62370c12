import { badRequest } from '#api/http/errors.ts';

/** What means something here, on one noun or another: it is never kept as what it is not. */
const KNOWN: ReadonlySet<string> = new Set([
  'id',
  'name',
  'domain_id',
  'description',
  'enabled',
  'parent_id',
  'is_domain',
  'tags',
  'options',
  'links',
  'extra',
  'password',
]);
const MOST = 16_000;

/**
 * What of a body is nobody's business but the client's: Keystone keeps it and shows it again (`--property`).
 * @param old JSON text of what was kept before.
 * @throws ApiError 400 when it is too much
 */
export function extraOf(sent: object, old: string | null): string | null {
  const more = Object.entries(sent).filter(([name]) => !KNOWN.has(name));
  if (more.length === 0) return old;
  const text = JSON.stringify({ ...extraFields(old), ...Object.fromEntries(more) });
  if (text.length > MOST) throw badRequest(`There is more than ${MOST} characters of other attributes.`);
  return text;
}

export function extraFields(text: string | null): Record<string, unknown> {
  return text === null ? {} : (JSON.parse(text) as Record<string, unknown>);
}
