import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { type TestApi, TOKENS, type Who } from '#test/api/support/api.ts';
import { heldFetch } from '../../support/held-fetch.ts';
import { type Kit, nounOf, withinPart } from './kit.ts';
import { rootOf, type Target, VERSIONS } from './surface.ts';

export interface Attempt {
  readonly as: Who;
  /** Below the API's root, with or without a query. */
  readonly path: string;
  /** The project that the path names; block storage needs one. */
  readonly project: string;
  readonly body?: unknown;
}

export interface Told {
  /** 0: no answer within the time, so nobody has refused. */
  readonly status: number;
  readonly text: string;
}

/** Without agents some requests wait for one. By then they have been let in. */
const PATIENCE_MS = 1_500;

/** Sends what the attempt says; any failure of the server's own fails the test. */
export async function attempt(
  api: TestApi,
  target: Target,
  { as, path, project, body }: Attempt,
): Promise<Told> {
  const { method, consumes } = target.route;
  const root = rootOf(target.service, project);
  try {
    const response = await heldFetch(`${api.url}${root}${path}`, {
      method,
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: {
        'X-Auth-Token': TOKENS[as],
        'OpenStack-API-Version': VERSIONS[target.service],
        ...(body !== undefined && { 'Content-Type': consumes?.[0] ?? 'application/json' }),
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    assert.deepEqual(api.log, []);
    // An operation that a host could not carry out, or a question that it does not answer, is told as 5xx by design.
    const told = response.status < 500 || /See operation|is away/.test(text);
    assert.ok(told, `${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, text };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') return { status: 0, text: '' };
    throw error;
  }
}

/** The route's path with ids out of one kit. */
export function pathOf(target: Target, kit: Kit): string {
  return pathWith(target, () => kit);
}

/** The same, each id out of the kit that `choose` says; its argument counts the ids from 0. */
export function pathWith({ parts }: Target, choose: (id: number) => Kit): string {
  let ids = 0;
  const filled = parts.map((part, index) => {
    if (!part.startsWith('{')) return part;
    const noun = nounOf(parts, index);
    return noun === undefined ? withinPart(part) : choose(ids++)[noun];
  });
  return `/${filled.join('/')}`;
}

/** How many ids the path holds. */
export function idsIn({ parts }: Target): number {
  return parts.filter((part, index) => part.startsWith('{') && nounOf(parts, index) !== undefined).length;
}

/** Every row of every table. */
export async function dump(api: TestApi): Promise<Readonly<Record<string, readonly string[]>>> {
  const tables = await sql<Record<string, string>>`SHOW TABLES`.execute(api.db);
  const names = tables.rows.map((row) => Object.values(row)[0] ?? '');
  const dumped = await Promise.all(
    names.map(async (name) => {
      const { rows } = await sql<object>`SELECT * FROM ${sql.table(name)}`.execute(api.db);
      return [name, rows.map((row) => JSON.stringify(row)).toSorted()] as const;
    }),
  );
  return Object.fromEntries(dumped);
}
