import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { PAGING_KEYS } from '#api/http/pagination.ts';
import { MEMBER_STATUSES } from '../members/schema.ts';
import { VISIBILITIES } from './schema.ts';

type Query = Readonly<Record<string, string>>;
type Reader = (value: string) => Condition;

/** `in:a,b` asks for one of several, as in Glance. */
const oneOf =
  (column: string, ascii = true): Reader =>
  (value) => {
    const wanted = value.startsWith('in:') ? listed(value.slice(3)) : [value];
    if (wanted.length === 0 || (ascii && !wanted.every(isAscii))) return NOTHING;
    return { sql: `${column} IN (${wanted.map(() => '?').join(', ')})`, values: wanted };
  };

/** Values with a comma in them stand in quotation marks. */
function listed(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|([^,]+)/g)].map((match) => match[1] ?? match[2] ?? '');
}

const equalTo = (column: string): Reader => oneOf(column, false);

const number =
  (column: string, operator: string): Reader =>
  (value) => {
    if (!/^\d{1,15}$/.test(value)) throw badRequest(`${value.slice(0, 50)} is not an integer`);
    return { sql: `${column} ${operator} ?`, values: [Number(value)] };
  };

const flag =
  (column: string): Reader =>
  (value) => {
    const word = value.toLowerCase();
    if (word !== 'true' && word !== 'false') throw badRequest(`${value.slice(0, 50)} is not true or false`);
    return { sql: `${column} = ?`, values: [word === 'true' ? 1 : 0] };
  };

const FILTERS: Readonly<Record<string, Reader>> = {
  id: oneOf('i.id'),
  name: equalTo('i.name'),
  status: oneOf('i.status'),
  visibility: (value) => (value === 'all' ? { sql: 'TRUE', values: [] } : oneOf('i.visibility')(value)),
  owner: equalTo('i.project_id'),
  disk_format: oneOf('i.disk_format'),
  container_format: oneOf('i.container_format'),
  checksum: oneOf('i.checksum'),
  os_hash_value: oneOf('i.os_hash_value'),
  size_min: number('i.size', '>='),
  size_max: number('i.size', '<='),
  min_disk: number('i.min_disk', '='),
  min_ram: number('i.min_ram', '='),
  protected: flag('i.protected'),
  os_hidden: flag('i.hidden'),
  tag: (value) => ({ sql: 'JSON_CONTAINS(i.tags, JSON_QUOTE(?))', values: [value] }),
  // Says which of the images that are shared with the project are listed, and so is scope's.
  member_status: () => ({ sql: 'TRUE', values: [] }),
};

/** Everybody's filters, for the document. */
export const FILTER_NAMES: readonly string[] = Object.keys(FILTERS);

/** Conditions from the query; a name that is no field's is one of the user's own properties. */
export function readFilters(query: Query): Condition[] {
  return Object.entries(query).flatMap(([key, value]) => {
    if (PAGING_KEYS.has(key)) return [];
    const reader = Object.hasOwn(FILTERS, key) ? FILTERS[key] : undefined;
    return [reader === undefined ? property(key, value) : reader(value)];
  });
}

function property(name: string, value: string): Condition {
  if (!/^[\x21-\x7e]{1,255}$/.test(name) || /["\\]/.test(name)) return NOTHING;
  return { sql: 'JSON_VALUE(i.properties, ?) = ?', values: [`$."${name}"`, value] };
}

/**
 * Which images a list is about. Community images are shown only to those who ask for them, hidden ones likewise, and an
 * administrator sees every project's.
 */
export function scope({ caller }: RequestContext, query: Query): Condition[] {
  const { visibility } = query;
  if (visibility !== undefined && visibility !== 'all' && !VISIBILITIES.some((word) => word === visibility)) {
    throw badRequest(`Invalid visibility value: ${visibility.slice(0, 50)}`);
  }
  const hidden: Condition[] = query['os_hidden'] === undefined ? [{ sql: 'i.hidden = 0', values: [] }] : [];
  const community = visibility === 'community' || visibility === 'all' ? ", 'community'" : '';
  if (caller.isAdmin) {
    const open = community === '' ? "i.visibility <> 'community' OR " : 'TRUE OR ';
    return [...hidden, { sql: `(${open}i.project_id = ?)`, values: [caller.projectId] }];
  }
  const shared = sharedWith(caller.projectId, query['member_status'] ?? 'accepted');
  const sql = `(i.project_id = ? OR i.visibility IN ('public'${community}) OR ${shared.sql})`;
  return [...hidden, { sql, values: [caller.projectId, ...shared.values] }];
}

/** Images of others that are shared with a project which has said this to it, or anything (`all`). */
function sharedWith(project: string, status: string): Condition {
  if (status !== 'all' && !MEMBER_STATUSES.some((word) => word === status)) {
    throw badRequest(`Invalid status: ${status.slice(0, 50)}`);
  }
  const said = status === 'all' ? '' : ' AND m.status = ?';
  const member = `SELECT 1 FROM image_members m WHERE m.image_id = i.id AND m.member = ?${said}`;
  return {
    sql: `(i.visibility = 'shared' AND EXISTS (${member}))`,
    values: status === 'all' ? [project] : [project, status],
  };
}
