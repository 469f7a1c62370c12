import type { SortKey } from './pagination.ts';

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
  const compare = ({ column }: SortKey<C>, operator: '<=>' | '<' | '>'): string => {
    const value = marker[column];
    if (value === null) return `${table}.${column} IS NULL`;
    values.push(value);
    return `${table}.${column} ${operator} ?`;
  };
  const past = (key: SortKey<C>): string => {
    if (marker[key.column] === null) return key.descending ? 'FALSE' : `${table}.${key.column} IS NOT NULL`;
    if (!key.descending) return compare(key, '>');
    return `(${compare(key, '<')} OR ${table}.${key.column} IS NULL)`;
  };
  const branches = sort.map((key, i) => {
    const equal = sort.slice(0, i).map((earlier) => compare(earlier, '<=>'));
    return `(${[...equal, past(key)].join(' AND ')})`;
  });
  return { sql: `(${branches.join(' OR ')})`, values };
}

/**
 * A join that leaves of `table` one page: found in an index alone where there is one for the order, and only then are whole
 * rows read. Takes the conditions' values, the limit and the offset.
 */
export function onPage(table: string, alias: string, where: string, order: string): string {
  return `JOIN (SELECT ${alias}.id FROM ${table} ${alias} ${where} ORDER BY ${order} LIMIT ? OFFSET ?) AS page
    ON page.id = ${alias}.id ORDER BY ${order}`;
}

/** `ORDER BY`'s list. */
export function ordered(table: string, sort: readonly SortKey[]): string {
  return sort.map(({ column, descending }) => `${table}.${column} ${descending ? 'DESC' : 'ASC'}`).join(', ');
}
