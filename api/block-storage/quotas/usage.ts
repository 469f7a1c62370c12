import { type RawBuilder, sql } from 'kysely';
import type { App } from '#api/http/context.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Item } from './charges.ts';
import { RESOURCES, type Resource } from './resources.ts';

/** Empty: over all types. */
type TypeOrAll = VolumeTypeId | '';

/**
 * What the project uses of it, as SQL over the rows themselves: there is no counter that could drift. Read under the
 * project's lock (`charge`) it is exact.
 */
export function used({ resource, project, type, amount }: Item): RawBuilder<unknown> {
  const held = sql<number>`(SELECT COALESCE(SUM(h.amount), 0) FROM quota_holds h
    JOIN operations o ON o.id = h.operation_id
    WHERE h.project_id = ${project} AND h.resource = ${resource} AND h.volume_type_id = ${type}
      AND o.state IN (${sql.join(OPEN_OPERATION_STATES)}))`;
  switch (resource) {
    case 'volumes':
      return sql`(SELECT COUNT(*) FROM volumes v WHERE ${volumesOf(project, type)}) + ${held}`;
    case 'gigabytes':
      return sql`(SELECT COALESCE(SUM(v.size_gib), 0) FROM volumes v WHERE ${volumesOf(project, type)})
        + (SELECT COALESCE(SUM(s.size_gib), 0) FROM ${snapshotsOf(project, type)}) + ${held}`;
    case 'snapshots':
      return sql`(SELECT COUNT(*) FROM ${snapshotsOf(project, type)}) + ${held}`;
    case 'per_volume_gigabytes':
      return sql`${amount}`;
    case 'backups':
      return sql`(SELECT COUNT(*) FROM backups b WHERE b.project_id = ${project})`;
    case 'backup_gigabytes':
      return sql`(SELECT COALESCE(SUM(b.size_gib), 0) FROM backups b WHERE b.project_id = ${project})`;
    case 'groups':
      return sql`(SELECT COUNT(*) FROM volume_groups g WHERE g.project_id = ${project})`;
    default:
      return resource satisfies never;
  }
}

function volumesOf(project: string, type: TypeOrAll): RawBuilder<unknown> {
  const typed = type === '' ? sql`` : sql` AND v.volume_type_id = ${type}`;
  return sql`v.project_id = ${project}${typed}`;
}

function snapshotsOf(project: string, type: TypeOrAll): RawBuilder<unknown> {
  return type === ''
    ? sql`snapshots s WHERE s.project_id = ${project}`
    : sql`snapshots s JOIN volumes v ON v.id = s.volume_id
        WHERE s.project_id = ${project} AND v.volume_type_id = ${type}`;
}

export interface Amount {
  readonly inUse: number;
  /** What operations under way will use besides, once they have succeeded. */
  readonly reserved: number;
}

/** Resource and type → what a project uses of it. */
export class Usage {
  readonly #amounts = new Map<string, { inUse: number; reserved: number }>();

  of(resource: Resource, type: TypeOrAll = ''): Amount {
    return this.#amounts.get(`${resource} ${type}`) ?? { inUse: 0, reserved: 0 };
  }

  add(resource: Resource, type: TypeOrAll | null, kind: keyof Amount, amount: number): void {
    if (type === null) return;
    const key = `${resource} ${type}`;
    const known = this.#amounts.get(key) ?? { inUse: 0, reserved: 0 };
    known[kind] += amount;
    this.#amounts.set(key, known);
  }
}

/** What it uses of all types together: sums over indexes, however many there are. */
export async function totalsOf({ db }: App, project: string): Promise<Usage> {
  const usage = new Usage();
  const tables = ['volumes', 'snapshots', 'backups'] as const;
  const sums = await Promise.all(
    tables.map((table) =>
      sql<Sum>`SELECT COUNT(*) AS n, COALESCE(SUM(size_gib), 0) AS gib FROM ${sql.table(table)}
        WHERE project_id = ${project}`.execute(db),
    ),
  );
  for (const [index, table] of tables.entries()) {
    const { n = 0, gib = '0' } = sums[index]?.rows[0] ?? {};
    usage.add(table, '', 'inUse', n);
    usage.add(table === 'backups' ? 'backup_gigabytes' : 'gigabytes', '', 'inUse', Number(gib));
  }
  return usage;
}

/** All that a project uses, over all types and of each. */
export async function usageOf({ db }: App, project: string): Promise<Usage> {
  const usage = new Usage();
  const [volumes, snapshots, backups, groups, held] = await Promise.all([
    sql<Sum>`SELECT v.volume_type_id AS type, COUNT(*) AS n, SUM(v.size_gib) AS gib FROM volumes v
      WHERE v.project_id = ${project} GROUP BY v.volume_type_id`.execute(db),
    sql<Sum>`SELECT v.volume_type_id AS type, COUNT(*) AS n, SUM(s.size_gib) AS gib
      FROM snapshots s JOIN volumes v ON v.id = s.volume_id
      WHERE s.project_id = ${project} GROUP BY v.volume_type_id`.execute(db),
    sql<Sum>`SELECT NULL AS type, COUNT(*) AS n, COALESCE(SUM(size_gib), 0) AS gib FROM backups
      WHERE project_id = ${project}`.execute(db),
    sql<Sum>`SELECT NULL AS type, COUNT(*) AS n, '0' AS gib FROM volume_groups
      WHERE project_id = ${project}`.execute(db),
    db
      .selectFrom('quota_holds')
      .innerJoin('operations', 'operations.id', 'quota_holds.operation_id')
      .select(['resource', 'volume_type_id', 'amount'])
      .where('quota_holds.project_id', '=', project as never)
      .where('operations.state', 'in', OPEN_OPERATION_STATES)
      .execute(),
  ]);
  for (const [resource, { rows }] of [
    ['volumes', volumes],
    ['snapshots', snapshots],
  ] as const) {
    for (const { type, n, gib } of rows) {
      for (const each of ['' as const, type]) {
        usage.add(resource, each, 'inUse', n);
        usage.add('gigabytes', each, 'inUse', Number(gib));
      }
    }
  }
  for (const { n, gib } of backups.rows) {
    usage.add('backups', '', 'inUse', n);
    usage.add('backup_gigabytes', '', 'inUse', Number(gib));
  }
  for (const { n } of groups.rows) usage.add('groups', '', 'inUse', n);
  for (const { resource, volume_type_id, amount } of held) {
    const known = RESOURCES.find((name) => name === resource);
    if (known !== undefined) usage.add(known, volume_type_id, 'reserved', amount);
  }
  return usage;
}

interface Sum {
  readonly type: VolumeTypeId | null;
  readonly n: number;
  readonly gib: string;
}
