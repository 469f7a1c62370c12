import { type RawBuilder, type SqlBool, sql } from 'kysely';

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
  /** `enabled`, `enabled=` and `enabled=1` say yes. */
  readonly flags?: readonly string[];
}

/** The names in a query that mean something to such a list. */
export function namesOf({ texts, flags = [] }: Filters): string[] {
  const kinds = Object.keys(LIKE).flatMap((kind) => [`__${kind}`, `__i${kind}`]);
  return [...Object.keys(texts).flatMap((name) => ['', ...kinds].map((kind) => `${name}${kind}`)), ...flags];
}

/**
 * What Keystone's lists are filtered by: `name=…`; `name__contains=…`, `__startswith` and `__endswith`, with an `i` before them
 * in whichever case; flags. What else a query has does not matter.
 */
export function matching(query: Query, { texts, flags = [] }: Filters): RawBuilder<SqlBool> {
  const conditions = [
    ...Object.entries(texts).flatMap(([filter, column]) => textConditions(query, filter, sql.ref(column))),
    ...flags.flatMap((name) =>
      query[name] === undefined ? [] : [sql`${sql.ref(name)} = ${isYes(query[name]) ? 1 : 0}`],
    ),
  ];
  return conditions.length === 0 ? sql<SqlBool>`TRUE` : sql<SqlBool>`${sql.join(conditions, sql` AND `)}`;
}

function textConditions(query: Query, filter: string, column: RawBuilder<unknown>): RawBuilder<unknown>[] {
  const exact = query[filter];
  return [
    ...(exact === undefined ? [] : [sql`${column} = ${exact}`]),
    ...Object.entries(LIKE).flatMap(([kind, pattern]) => {
      const [same, any] = [query[`${filter}__${kind}`], query[`${filter}__i${kind}`]];
      return [
        ...(same === undefined ? [] : [sql`${column} LIKE ${pattern(literally(same))}`]),
        ...(any === undefined ? [] : [sql`LOWER(${column}) LIKE ${pattern(literally(any.toLowerCase()))}`]),
      ];
    }),
  ];
}

const literally = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);

/** What a query says with a flag, as in Keystone. */
export function isYes(text: string | undefined): boolean {
  return text !== undefined && !/^(0|f|false|off|n|no)$/i.test(text);
}
