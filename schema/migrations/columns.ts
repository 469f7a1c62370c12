import { type Kysely, sql } from 'kysely';

/** ASCII ids compare by bytes; names and descriptions are anything, compared by bytes as Cinder's clients expect. */
export const TEXT = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
export const ID = 'CHAR(36) CHARACTER SET ascii COLLATE ascii_bin';
export const WORD = (length: number): string => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`;
export const OPTIONS = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Adds those of the columns that the table lacks: MySQL commits each DDL by itself and has no `ADD COLUMN IF NOT EXISTS`. */
export async function addColumns(
  db: Kysely<unknown>,
  table: string,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  const { rows } = await sql<{ name: string }>`SELECT column_name AS name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = ${table}`.execute(db);
  const present = new Set(rows.map(({ name }) => name));
  const missing = Object.entries(columns).filter(([name]) => !present.has(name));
  if (missing.length === 0) return;
  const clauses = missing.map(([name, definition]) => `ADD COLUMN \`${name}\` ${definition}`);
  await sql.raw(`ALTER TABLE ${table} ${clauses.join(', ')}`).execute(db);
}

/** The same for indexes. @param keys name → its columns, in brackets. */
export async function addKeys(
  db: Kysely<unknown>,
  table: string,
  keys: Readonly<Record<string, string>>,
): Promise<void> {
  const present = await keysOf(db, table);
  const missing = Object.entries(keys).filter(([name]) => !present.has(name));
  if (missing.length === 0) return;
  const clauses = missing.map(([name, columns]) => `ADD KEY ${name} ${columns}`);
  await sql.raw(`ALTER TABLE ${table} ${clauses.join(', ')}`).execute(db);
}

export async function dropKey(db: Kysely<unknown>, table: string, name: string): Promise<void> {
  if ((await keysOf(db, table)).has(name)) await sql.raw(`ALTER TABLE ${table} DROP KEY ${name}`).execute(db);
}

async function keysOf(db: Kysely<unknown>, table: string): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`SELECT DISTINCT index_name AS name
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ${table}`.execute(db);
  return new Set(rows.map(({ name }) => name));
}
