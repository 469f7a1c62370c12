import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { isAscii } from '#api/http/keyset.ts';

type Query = Readonly<Record<string, string>>;

const LIKE = {
  contains: (text: string) => `%${text}%`,
  startswith: (text: string) => `${text}%`,
  endswith: (text: string) => `%${text}`,
} as const;

/** What a list can be filtered by. */
export interface Filters {
  /** Filter → column. */
  readonly texts: Readonly<Record<string, string>>;
  /** The same, of columns that hold ASCII. */
  readonly ids?: Readonly<Record<string, string>>;
  /** `enabled`, `enabled=` and `enabled=1` say yes. */
  readonly flags?: readonly string[];
}

/** The names in a query that mean something to such a list. */
export function namesOf({ texts, ids = {}, flags = [] }: Filters): string[] {
  const kinds = Object.keys(LIKE).flatMap((kind) => [`__${kind}`, `__i${kind}`]);
  const names = Object.keys({ ...texts, ...ids });
  return [...names.flatMap((name) => ['', ...kinds].map((kind) => `${name}${kind}`)), ...flags];
}

/**
 * What Keystone's lists are filtered by: `name=…`; `name__contains=…`, `__startswith` and `__endswith`, with an `i` before them
 * in whichever case; flags. What else a query has does not matter.
 */
export function matching(query: Query, { texts, ids = {}, flags = [] }: Filters): RawBuilder<SqlBool> {
  const conditions = [
    ...Object.entries(texts).flatMap(([filter, column]) => textConditions(query, filter, column, anyText)),
    ...Object.entries(ids).flatMap(([filter, column]) => textConditions(query, filter, column, isAscii)),
    ...flags.flatMap((name) =>
      query[name] === undefined ? [] : [sql`${sql.ref(name)} = ${isYes(query[name]) ? 1 : 0}`],
    ),
  ];
  return conditions.length === 0 ? sql<SqlBool>`TRUE` : sql<SqlBool>`${sql.join(conditions, sql` AND `)}`;
}

const anyText = (): boolean => true;

/** @param fits whether the column can be compared with a text; others match nothing. */
function textConditions(
  query: Query,
  filter: string,
  name: string,
  fits: (text: string) => boolean,
): RawBuilder<unknown>[] {
  const column = sql.ref(name);
  const given = (key: string, condition: (text: string) => RawBuilder<unknown>): RawBuilder<unknown>[] => {
    const text = query[key];
    return text === undefined ? [] : [fits(text) ? condition(text) : sql`FALSE`];
  };
  return [
    ...given(filter, (text) => sql`${column} = ${text}`),
    ...Object.entries(LIKE).flatMap(([kind, pattern]) => [
      ...given(`${filter}__${kind}`, (text) => sql`${column} LIKE ${pattern(literally(text))}`),
      ...given(
        `${filter}__i${kind}`,
        (text) => sql`LOWER(${column}) LIKE ${pattern(literally(text.toLowerCase()))}`,
      ),
    ]),
  ];
}

const literally = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);

/** What a query says with a flag, as in Keystone. */
export function isYes(text: string | undefined): boolean {
  return text !== undefined && !/^(0|f|false|off|n|no)$/i.test(text);
}
