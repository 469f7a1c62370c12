import type { Page, SortKey } from './pagination.ts';

/** A part of a WHERE clause and its values. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** What nothing can match. */
export const NOTHING: Condition = { sql: 'FALSE', values: [] };

/** Text that an ASCII column can be compared with; anything else names nothing there. */
export const isAscii = (value: string): boolean => /^[\x20-\x7e]*$/.test(value);

/** `WHERE …` and its values; nothing for no conditions. */
export function joined(conditions: readonly Condition[]): { where: string; values: (string | number)[] } {
  const where = conditions.map((condition) => condition.sql).join(' AND ');
  return { where: where === '' ? '' : `WHERE ${where}`, values: conditions.flatMap((item) => item.values) };
}

type Row<C extends string> = Readonly<Record<C, string | number | null>>;

/**
 * Everything that comes after the marker in this order; NULL comes before any value in MySQL.
 * @param table the alias before the columns.
 */
export function after<C extends string>(
  table: string,
  marker: Row<C>,
  sort: readonly SortKey<C>[],
): Condition {
  const values: (string | number)[] = [];
  const compare = (key: SortKey<C>, operator: '<=>' | '<' | '>'): string => {
    const value = marker[key.column];
    if (value === null) return `${compared(table, key)} IS NULL`;
    values.push(value);
    return `${compared(table, key)} ${operator} ?`;
  };
  const past = (key: SortKey<C>): string => {
    if (marker[key.column] === null) return key.descending ? 'FALSE' : `${compared(table, key)} IS NOT NULL`;
    if (!key.descending) return compare(key, '>');
    return `(${compare(key, '<')} OR ${compared(table, key)} IS NULL)`;
  };
  const branches = sort.map((key, i) => {
    const equal = sort.slice(0, i).map((earlier) => compare(earlier, '<=>'));
    return `(${[...equal, past(key)].join(' AND ')})`;
  });
  return { sql: `(${branches.join(' OR ')})`, values };
}

/** What comes after `SELECT … FROM table alias`, and leaves one page of it. */
export function onPage<C extends string>(
  table: string,
  alias: string,
  conditions: readonly Condition[],
  sort: readonly SortKey<C>[],
  { limit, offset }: Page,
): Condition {
  const { where, values: asked } = joined(conditions);
  const order = ordered(alias, sort);
  const values = [...asked, limit, offset];
  // What a single condition leaves (the newest of one project, say) lies side by side in an index: its rows may be read at once.
  if (conditions.length === 1 && offset === 0 && sort[0]?.column === 'created_at') {
    return { sql: `${where} ORDER BY ${order} LIMIT ? OFFSET ?`, values };
  }
  // Found in an index alone where there is one for the order, and only then are whole rows read.
  const ids = `SELECT ${alias}.id FROM ${table} ${alias} ${where} ORDER BY ${order} LIMIT ? OFFSET ?`;
  return { sql: `JOIN (${ids}) AS page ON page.id = ${alias}.id ORDER BY ${order}`, values };
}

/**
 * The same of what is of any of these kinds, when each lies in this order in an index and all together don't: the first of
 * each are found there.
 */
export function onPageOfAny<C extends string>(
  table: string,
  alias: string,
  kinds: readonly Condition[],
  conditions: readonly Condition[],
  sort: readonly SortKey<C>[],
  { limit, offset }: Page,
): Condition {
  const order = ordered(alias, sort);
  const firsts = kinds.map((kind) => {
    const { where, values } = joined([kind, ...conditions]);
    const sql = `(SELECT ${alias}.id FROM ${table} ${alias} ${where} ORDER BY ${order} LIMIT ?)`;
    return { sql, values: [...values, offset + limit] };
  });
  return {
    sql: `JOIN (${firsts.map(({ sql }) => sql).join(' UNION ')}) AS page ON page.id = ${alias}.id
      ORDER BY ${order} LIMIT ? OFFSET ?`,
    values: [...firsts.flatMap(({ values }) => values), limit, offset],
  };
}

/** `ORDER BY`'s list. */
export function ordered(table: string, sort: readonly SortKey[]): string {
  return sort.map((key) => `${compared(table, key)} ${key.descending ? 'DESC' : 'ASC'}`).join(', ');
}

function compared(table: string, { column, sql }: SortKey): string {
  return sql ?? `${table}.${column}`;
}
