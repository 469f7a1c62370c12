import type { RequestContext } from './context.ts';
import { readDictionary } from './dictionary.ts';
import { type ApiError, badRequest, invalidInput } from './errors.ts';
import { strictFlag } from './fields.ts';
import { type Condition, isAscii, NOTHING } from './keyset.ts';
import { COUNT_SINCE, LIST_QUERY, PAGING_KEYS } from './pagination.ts';
import type { Route } from './route.ts';

type Query = Readonly<Record<string, string>>;
export type FilterReader = (value: string, context: RequestContext) => Condition;

/** What one list can be filtered by. */
export interface FilterTable {
  /** Anybody's (Cinder's `resource_filters.json`). */
  readonly anybody: Readonly<Record<string, FilterReader>>;
  /** An administrator's, besides. */
  readonly admin: Readonly<Record<string, FilterReader>>;
  /** Filters that did not exist before a microversion are ignored there. */
  readonly since?: Readonly<Record<string, number>>;
  /** By a part of it: `name~`. */
  readonly like: Readonly<Record<string, FilterReader>>;
  /** Whether `with_count` is known, from 3.45 on; elsewhere and before it is a filter that is not. */
  readonly counted?: true;
}

/** Names in a query, as a route declares them. */
export type QueryNames = Required<Pick<Route, 'queryNames' | 'adminQueryNames'>>;

/**
 * All that a list takes in its query.
 * @param more what it takes of administrators besides the table's.
 */
export function listQuery(
  { anybody, admin, like, counted }: FilterTable,
  ...more: readonly string[]
): QueryNames {
  return {
    queryNames: [
      ...LIST_QUERY,
      ...(counted === true ? ['with_count'] : []),
      ...Object.keys(anybody),
      ...Object.keys(like),
    ],
    adminQueryNames: [...more, ...Object.keys(admin)],
  };
}

/** From here on a filter that Cinder does not know is an error rather than ignored. */
const STRICT_SINCE = 31;
/** From here on `name~=part` matches any part of it. */
const LIKE_SINCE = 34;

/**
 * The conditions that a list's query asks for, besides its project. A filter that nobody knows matches nothing for an
 * administrator, is an error for others from 3.31 on and ignored before, all as in Cinder.
 * @throws ApiError 400
 */
export function readListFilters(context: RequestContext, query: Query, table: FilterTable): Condition[] {
  const { caller, microversion } = context;
  const conditions: Condition[] = [];
  const unknown: string[] = [];
  for (const [key, value] of asked(context, query, table)) {
    if (microversion >= STRICT_SINCE && !isAscii(key)) {
      throw badRequest('Filter keys can only contain ASCII characters.');
    }
    if (microversion < (own(table.since ?? {}, key) ?? 0)) continue;
    // Later an error for some and nothing for others; here Cinder does not look at it.
    if (microversion < STRICT_SINCE && own(table.like, key) !== undefined) continue;
    const reader = own(table.anybody, key) ?? (caller.isAdmin ? own(table.admin, key) : undefined);
    const like = microversion >= LIKE_SINCE ? own(table.like, key) : undefined;
    const chosen = reader ?? like;
    if (chosen === undefined) unknown.push(key);
    // Of one that comes twice the last counts, but of names, which Cinder has two filters for, both.
    else if (value === query[key] || key === 'name') conditions.push(chosen(value, context));
  }
  if (unknown.length > 0 && caller.isAdmin) return [NOTHING];
  if (unknown.length > 0 && microversion >= STRICT_SINCE) {
    throw invalidFilters(unknown);
  }
  return conditions;
}

export const invalidFilters = (keys: readonly string[]): ApiError =>
  badRequest(`Invalid filters ${keys.join(',').slice(0, 200).toWellFormed()} are found in query options.`);

/**
 * What is not of pages and their order. Cinder takes the first of a paging key that comes twice, and the second for a
 * filter, as it does any it does not know here.
 */
function asked({ rawQuery, microversion }: RequestContext, query: Query, table: FilterTable) {
  const paging = new Set(PAGING_KEYS);
  if (table.counted !== true || microversion < COUNT_SINCE) paging.delete('with_count');
  return filtersBeside(paging, rawQuery).filter(([key]) => Object.hasOwn(query, key));
}

/** All that a query asks for but the first of each of some keys. */
export function filtersBeside(keys: ReadonlySet<string>, rawQuery: string): [string, string][] {
  const left = new Set(keys);
  return [...new URLSearchParams(rawQuery)].filter(([key]) => !left.delete(key));
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

export const equals =
  (column: string): FilterReader =>
  (value) => ({ sql: `${column} = ?`, values: [value] });

/** For ids and statuses, whose columns hold ASCII: other text names nothing and could not even be compared. */
export const equalsAscii =
  (column: string): FilterReader =>
  (value) =>
    isAscii(value) ? { sql: `${column} = ?`, values: [value] } : NOTHING;

export const contains =
  (column: string): FilterReader =>
  (value) => ({ sql: `LOCATE(?, ${column}) > 0`, values: [value] });

/** As `equalsAscii`. */
export const containsAscii =
  (column: string): FilterReader =>
  (value) =>
    isAscii(value) ? { sql: `LOCATE(?, ${column}) > 0`, values: [value] } : NOTHING;

export const equalsNumber =
  (column: string): FilterReader =>
  (value) =>
    /^\d{1,12}(\.0*)?$/.test(value) ? { sql: `${column} = ?`, values: [Number(value)] } : NOTHING;

const YES = /^\s*(1|t|true|on|y|yes)\s*$/i;
const NO = /^\s*(0|f|false|off|n|no)\s*$/i;
/** From here on a word that is neither is an error; before, anything but `false` and nothing was true. */
const WORDS_SINCE = 2;

export const equalsFlag =
  (column: string, key: string): FilterReader =>
  (value, { microversion }) => {
    if (microversion >= WORDS_SINCE && !YES.test(value) && !NO.test(value)) {
      throw invalidInput(`'${key} = ${value.slice(0, 100).toWellFormed()}'`);
    }
    const no = microversion >= WORDS_SINCE ? NO.test(value) : /^(False|false|FALSE|)$/.test(value);
    return { sql: `${column} = ?`, values: [no ? 0 : 1] };
  };

/** `metadata={'key': 'value'}`, as Cinder's clients write a Python dictionary, or JSON. */
export const holdsPairs =
  (column: string): FilterReader =>
  (value) => {
    const pairs = readDictionary(value);
    if (pairs === undefined) return NOTHING;
    return {
      sql: pairs.map(() => `JSON_VALUE(${column}, ?) = ?`).join(' AND ') || 'TRUE',
      values: pairs.flatMap(([key, item]) => [`$."${key}"`, item]),
    };
  };

/** `host`, `host@backend` or `host@backend#pool`: all pools below it. */
export const isBelow =
  (column: string): FilterReader =>
  (value) => {
    const ends = value.includes('#') ? [] : value.includes('@') ? ['#'] : ['#', '@'];
    // A range, for indexes: up to the character that comes next.
    const starts = ends.map(() => `(${column} >= ? AND ${column} < ?)`);
    return {
      sql: `(${[`${column} = ?`, ...starts].join(' OR ')})`,
      values: [value, ...ends.flatMap((end) => [`${value}${end}`, `${value}${end === '#' ? '$' : 'A'}`])],
    };
  };

/** Microversion from which `consumes_quota` is a filter that can match, in Cinder too, whose 3.65 came later. */
const QUOTA_SINCE = STRICT_SINCE;

/** Cinder's own name of it, an administrator's filter. */
export const usesQuota: FilterReader = (value) =>
  strictFlag({ use_quota: value }, 'use_quota') ? { sql: 'TRUE', values: [] } : NOTHING;

/** Everything here consumes quota. */
export const consumesQuota: FilterReader = (value, context) =>
  context.microversion < QUOTA_SINCE ? NOTHING : usesQuota(value, context);

const OPERATORS: Readonly<Record<string, string>> = {
  gt: '>',
  gte: '>=',
  eq: '=',
  neq: '<>',
  lt: '<',
  lte: '<=',
};

/**
 * `created_at=gt:2026-01-01T00:00:00,lt:…` (microversion 3.60): what any of them says, as in Cinder, and of the same
 * operator only the last.
 */
export const comparesTime =
  (column: string): FilterReader =>
  (value) => {
    const times = new Map<string, string>();
    for (const part of value.split(',')) {
      const mark = part.indexOf(':');
      const name = mark === -1 ? part : part.slice(0, mark);
      const operator = own(OPERATORS, name);
      if (operator === undefined) throw badRequest(`Invalid ${name.slice(0, 100).toWellFormed()} operator`);
      times.set(operator, readTime(part.slice(mark + 1)));
    }
    const either = [...times.keys()].map((operator) => `${column} ${operator} ?`);
    return { sql: `(${either.join(' OR ')})`, values: [...times.values()] };
  };

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?)?$/;

function readTime(text: string): string {
  const match = TIME.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? '00:00'}${match[3] ?? 'Z'}`);
  if (Number.isNaN(ms)) throw badRequest(`Invalid ${text.slice(0, 100).toWellFormed()} value`);
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}
