import type { RequestContext } from '#api/http/context.ts';
import { readDictionary } from '#api/http/dictionary.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import { isTrue } from '#api/http/fields.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { PAGING_KEYS } from '#api/http/pagination.ts';

type Reader = (value: string, context: RequestContext) => Condition;

const equals =
  (column: string): Reader =>
  (value) => ({ sql: `${column} = ?`, values: [value] });

/** For ids and statuses, whose columns hold ASCII: other text names nothing and could not even be compared. */
const equalsAscii =
  (column: string): Reader =>
  (value) =>
    isAscii(value) ? { sql: `${column} = ?`, values: [value] } : NOTHING;

/** Anybody's filters (Cinder's `resource_filters.json`). */
const FILTERS: Readonly<Record<string, Reader>> = {
  name: equals('v.name'),
  status: equalsAscii('v.status'),
  availability_zone: equals('v.availability_zone'),
  size: (value) => (/^\d{1,12}$/.test(value) ? { sql: 'v.size_gib = ?', values: [Number(value)] } : NOTHING),
  bootable: (value, { microversion }) => flagCondition('v.bootable', 'bootable', value, microversion),
  metadata: metadataCondition,
  migration_status: () => NOTHING,
  group_id: equalsAscii('v.group_id'),
  created_at: (value) => timeCondition('v.created_at', 'created_at', value),
  updated_at: (value) => timeCondition('v.updated_at', 'updated_at', value),
  consumes_quota: (value) => (isTrue(value) ? { sql: 'TRUE', values: [] } : NOTHING),
};

/** An administrator's, besides. */
const ADMIN_FILTERS: Readonly<Record<string, Reader>> = {
  id: equalsAscii('v.id'),
  host: (value) => ({ sql: "(v.pool = ? OR SUBSTRING_INDEX(v.pool, '#', 1) = ?)", values: [value, value] }),
  project_id: equals('v.project_id'),
  tenant_id: equals('v.project_id'),
  user_id: equals('v.user_id'),
  volume_type_id: equalsAscii('v.volume_type_id'),
  description: equals('v.description'),
};

/** Everybody's filters, for the document. */
export const FILTER_NAMES: readonly string[] = Object.keys(FILTERS);

/** Filters that did not exist before a microversion are ignored there. */
const SINCE: Readonly<Record<string, number>> = {
  group_id: 10,
  created_at: 60,
  updated_at: 60,
  consumes_quota: 65,
};

/** From here on a filter that Cinder does not know is an error rather than ignored. */
const STRICT_SINCE = 31;
/** From here on `name~=part` matches any part of it. */
const LIKE_SINCE = 34;

/** The conditions that a list's query asks for, besides its project. */
export function readFilters(context: RequestContext, query: Readonly<Record<string, string>>): Condition[] {
  const { caller, microversion } = context;
  const conditions: Condition[] = [];
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    if (PAGING_KEYS.has(key) || microversion < (own(SINCE, key) ?? 0)) continue;
    const reader = own(FILTERS, key) ?? (caller.isAdmin ? own(ADMIN_FILTERS, key) : undefined);
    const like = reader === undefined && microversion >= LIKE_SINCE ? likeCondition(key, value) : undefined;
    if (reader !== undefined) conditions.push(reader(value, context));
    else if (like !== undefined) conditions.push(like);
    else unknown.push(key);
  }
  if (unknown.length > 0 && microversion >= STRICT_SINCE && !caller.isAdmin) {
    throw badRequest(
      `Invalid filters ${unknown.join(', ').slice(0, 200).toWellFormed()} are found in query options.`,
    );
  }
  return conditions;
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function likeCondition(key: string, value: string): Condition | undefined {
  if (key !== 'name~' && key !== 'description~') return undefined;
  return { sql: `LOCATE(?, v.${key.slice(0, -1)}) > 0`, values: [value] };
}

function flagCondition(column: string, key: string, value: string, microversion: number): Condition {
  const word = value.toLowerCase();
  if (microversion >= 2 && !['true', 'false', '0', '1'].includes(word)) {
    throw invalidInput(`'${key} = ${value.slice(0, 100).toWellFormed()}'`);
  }
  return { sql: `${column} = ?`, values: [word === 'false' || word === '0' ? 0 : 1] };
}

/** `metadata={'key': 'value'}`, as Cinder's clients write a Python dictionary, or JSON. */
function metadataCondition(value: string): Condition {
  const pairs = readDictionary(value);
  if (pairs === undefined) return NOTHING;
  return {
    sql: pairs.map(() => 'JSON_VALUE(v.metadata, ?) = ?').join(' AND ') || 'TRUE',
    values: pairs.flatMap(([key, item]) => [`$."${key}"`, item]),
  };
}

const OPERATORS: Readonly<Record<string, string>> = {
  gt: '>',
  gte: '>=',
  eq: '=',
  neq: '<>',
  lt: '<',
  lte: '<=',
};

/** `created_at=gt:2026-01-01T00:00:00,lt:…` (microversion 3.60). */
function timeCondition(column: string, key: string, value: string): Condition {
  const parts = value.split(',').map((part) => {
    const mark = part.indexOf(':');
    if (mark === -1) throw badRequest(`Invalid ${key} value`);
    const name = part.slice(0, mark);
    const operator = own(OPERATORS, name);
    if (operator === undefined) throw badRequest(`Invalid ${name.slice(0, 100).toWellFormed()} operator`);
    return { sql: `${column} ${operator} ?`, value: readTime(part.slice(mark + 1)) };
  });
  return { sql: parts.map((part) => part.sql).join(' AND '), values: parts.map((part) => part.value) };
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?)?$/;

function readTime(text: string): string {
  const match = TIME.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? '00:00'}${match[3] ?? 'Z'}`);
  if (Number.isNaN(ms)) throw badRequest(`Invalid ${text.slice(0, 100).toWellFormed()} value`);
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}
