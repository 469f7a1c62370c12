import { CompiledQuery, type RawBuilder, sql } from 'kysely';
import type { App, RequestContext } from '#api/http/context.ts';
import { type Tx, transaction } from '#queues/transaction.ts';
import type { OperationId, ProjectId } from '#schema/ids.ts';
import { type Charge, type Item, itemsOf } from './charges.ts';
import { overQuota } from './refusal.ts';
import { ownersOf, UNLIMITED } from './resources.ts';
import { used } from './usage.ts';

/**
 * Runs `work` in one transaction, which fails when a project is then over a quota. The rows that `work` writes are what is
 * counted, so they must be written by it, or held (`hold`). It may run more than once.
 * @throws ApiError 413 in Cinder's words; whatever `transaction` throws.
 */
export async function charged<T>(
  context: RequestContext,
  charges: readonly Charge[],
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { app } = context;
  const byProject = Map.groupBy(itemsOf(charges), ({ project }) => project);
  const attempt = (counting: boolean): Promise<T> =>
    transaction(app.db, async (tx) => {
      const value = await work(tx);
      // Last, so that nobody waits for a row of ours while we wait for the project's.
      for (const [project, items] of byProject) {
        if (counting) check(tx, app, project, items);
        else tx.later(CompiledQuery.raw(NONE_SET, ownersOf(project)));
      }
      return value;
    });
  const projects = [...byProject.keys()];
  if (!projects.some((project) => isLimited(app, project))) {
    try {
      return await attempt(false);
    } catch (error) {
      if (!isOver(error)) throw error;
      for (const project of projects) noteLimited(app, project);
    }
  }
  return attempt(true).catch(async (error: unknown) => {
    throw isOver(error) ? await overQuota(app, charges) : error;
  });
}

/** Those seen to have a limit: for them counting is not begun with a transaction in vain. */
const limited = new WeakMap<App, Set<ProjectId>>();
const REMEMBERED = 10_000;

function isLimited(app: App, project: ProjectId): boolean {
  const byDefault = Object.values(app.quotaDefaults).some((limit) => limit !== UNLIMITED);
  return byDefault || limited.get(app)?.has(project) === true;
}

function noteLimited(app: App, project: ProjectId): void {
  const known = limited.get(app) ?? new Set();
  if (known.size >= REMEMBERED) known.clear();
  limited.set(app, known.add(project));
}

/** To be called where limits are taken away: what was limited may no longer be. */
export function forgetLimited(app: App): void {
  limited.delete(app);
}

/** Fails the transaction, as `withinLimits` does, where any limit is set: all that most projects' requests pay. */
const NONE_SET = `SELECT CAST(0 AS UNSIGNED) - COUNT(*) AS unset FROM quota_limits
  WHERE owner IN (?, ?) AND hard_limit >= 0`;

/** Counts what the operation will use when it has succeeded, for as long as it is at work. */
export function hold(tx: Tx, operation: OperationId, charge: Charge): void {
  const rows = itemsOf([charge])
    .filter(({ resource }) => resource !== 'per_volume_gigabytes')
    .map(({ project, resource, type, amount }) => ({
      operation_id: operation,
      resource,
      volume_type_id: type,
      project_id: project,
      amount,
    }));
  if (rows.length > 0) tx.later(tx.q.insertInto('quota_holds').values(rows));
}

/**
 * Two statements, which travel with the transaction's others. The first locks the project's row where a limit is set, so
 * that of two requests one counts the other's rows.
 */
function check(tx: Tx, { quotaDefaults }: App, project: ProjectId, items: readonly Item[]): void {
  const defaults = items.filter(({ resource, type }) => type === '' && quotaDefaults[resource] !== UNLIMITED);
  const set = limitsOn(project, items);
  const cases = items.map(
    (item) => sql`WHEN l.resource = ${item.resource} AND l.volume_type_id = ${item.type} THEN ${used(item)}`,
  );
  if (defaults.length === 0) {
    tx.later(
      sql`INSERT INTO quota_locks (project_id)
        SELECT ${project} FROM quota_limits l WHERE ${set} AND l.hard_limit >= 0 LIMIT 1
        ON DUPLICATE KEY UPDATE project_id = quota_locks.project_id`.compile(tx.q),
    );
    tx.later(withinLimits(sql`quota_limits`, set, cases, project).compile(tx.q));
    return;
  }
  tx.later(
    sql`INSERT INTO quota_locks (project_id) VALUES (${project})
      ON DUPLICATE KEY UPDATE project_id = VALUES(project_id)`.compile(tx.q),
  );
  // Further from a project than anything that has been set: their owner comes first as text.
  const unions = defaults.map(
    ({ resource }) => sql`UNION ALL SELECT '', ${resource}, '', ${quotaDefaults[resource]}`,
  );
  const source = sql`(SELECT owner, resource, volume_type_id, hard_limit FROM quota_limits
    ${sql.join(unions, sql` `)})`;
  tx.later(withinLimits(source, sql`(l.owner = '' OR ${set})`, cases, project).compile(tx.q));
}

/** Below nought, and so out of the type's range, which ends the transaction, as soon as one limit is exceeded. */
function withinLimits(
  source: RawBuilder<unknown>,
  which: RawBuilder<unknown>,
  cases: readonly RawBuilder<unknown>[],
  project: string,
): RawBuilder<unknown> {
  return sql`SELECT CAST(0 AS UNSIGNED) - COUNT(*) AS within FROM ${source} l
    WHERE ${which} AND l.hard_limit >= 0 AND l.hard_limit < (CASE ${sql.join(cases, sql` `)} END)
      AND NOT EXISTS (SELECT 1 FROM quota_limits nearer WHERE nearer.owner IN (${sql.join(ownersOf(project))})
        AND nearer.owner > l.owner AND nearer.resource = l.resource
        AND nearer.volume_type_id = l.volume_type_id)`;
}

function limitsOn(project: string, items: readonly Item[]): RawBuilder<unknown> {
  const resources = [...new Set(items.map(({ resource }) => resource))];
  const types = [...new Set(items.map(({ type }) => type))];
  return sql`l.owner IN (${sql.join(ownersOf(project))}) AND l.resource IN (${sql.join(resources)})
    AND l.volume_type_id IN (${sql.join(types)})`;
}

function isOver(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ER_DATA_OUT_OF_RANGE';
}
