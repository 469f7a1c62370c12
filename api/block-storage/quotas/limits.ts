import type { App } from '#api/http/context.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { ownersOf, type Resource, UNLIMITED } from './resources.ts';

/** What is set for these owners, the nearest last; the environment's defaults where nothing is. */
export class QuotaLimits {
  readonly #set = new Map<string, number>();
  readonly #defaults: App['quotaDefaults'];

  constructor(defaults: App['quotaDefaults'], rows: readonly LimitRow[]) {
    this.#defaults = defaults;
    for (const row of rows) this.#set.set(`${row.resource} ${row.volume_type_id}`, row.hard_limit);
  }

  of(resource: Resource, type: VolumeTypeId | '' = ''): number {
    return this.#set.get(`${resource} ${type}`) ?? (type === '' ? this.#defaults[resource] : UNLIMITED);
  }

  /** True when one of the owners has a limit of its own. */
  isSet(resource: Resource, type: VolumeTypeId | '' = ''): boolean {
    return this.#set.has(`${resource} ${type}`);
  }
}

interface LimitRow {
  readonly resource: string;
  readonly volume_type_id: VolumeTypeId | '';
  readonly hard_limit: number;
}

/** The limits of these owners, of whom each comes before those that are less as text. */
export async function limitsOf({ db, quotaDefaults }: App, owners: readonly string[]): Promise<QuotaLimits> {
  const rows = await db
    .selectFrom('quota_limits')
    .select(['resource', 'volume_type_id', 'hard_limit'])
    .where('owner', 'in', owners)
    .orderBy('owner')
    .execute();
  return new QuotaLimits(quotaDefaults, rows);
}

/** What holds for a project. */
export function projectLimits(app: App, project: string): Promise<QuotaLimits> {
  return limitsOf(app, ownersOf(project));
}
