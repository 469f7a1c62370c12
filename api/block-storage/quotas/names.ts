import type { App } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { RESOURCES, type Resource, TYPED_RESOURCES, UNLIMITED } from './resources.ts';

/** A quota as clients name it: `volumes`, or `volumes_<type>`. */
export interface QuotaName {
  readonly name: string;
  readonly resource: Resource;
  readonly type: VolumeTypeId | '';
}

/** All that there are: three for each type beside those that hold over all types. */
export async function quotaNames({ db }: App): Promise<QuotaName[]> {
  const types = await db.selectFrom('volume_types').select(['id', 'name']).orderBy('name').execute();
  return [
    ...RESOURCES.map((resource) => ({ name: resource, resource, type: '' as const })),
    ...types.flatMap((type) =>
      TYPED_RESOURCES.map((resource) => ({ name: `${resource}_${type.name}`, resource, type: type.id })),
    ),
  ];
}

/** An object of names and what `value` says of each. */
export function quotaSet<V>(names: readonly QuotaName[], value: (name: QuotaName) => V): Record<string, V> {
  return Object.fromEntries(names.map((name) => [name.name, value(name)]));
}

export interface WantedLimit extends QuotaName {
  readonly limit: number;
}

/** Keys that clients send beside the quotas. */
const NO_QUOTAS: ReadonlySet<string> = new Set(['tenant_id', 'id']);
const MAX_INT = 2_147_483_647;

/**
 * @param what `quota set` or `quota class set`, for the client.
 * @throws ApiError 400 for a name that is no quota, or a value that is no limit.
 */
export function readLimits(
  names: readonly QuotaName[],
  wanted: Readonly<Record<string, unknown>>,
  what: string,
): WantedLimit[] {
  const entries = Object.entries(wanted).filter(([key]) => !NO_QUOTAS.has(key));
  const known = new Map(names.map((name) => [name.name, name]));
  const bad = entries.map(([key]) => key).filter((key) => !known.has(key));
  const limits = entries.flatMap(([key, value]) => {
    const name = known.get(key);
    return name === undefined ? [] : [{ ...name, limit: readLimit(key, value) }];
  });
  if (bad.length > 0)
    throw invalidInput(`Bad key(s) in ${what}: ${bad.join(', ').slice(0, 500).toWellFormed()}`);
  return limits;
}

function readLimit(key: string, value: unknown): number {
  const digits = typeof value === 'string' && /^\s*-?\d{1,12}\s*$/.test(value);
  const limit = typeof value === 'number' || digits ? Number(value) : Number.NaN;
  if (!Number.isInteger(limit)) throw badRequest(`${key} must be an integer`);
  if (limit < UNLIMITED) throw badRequest(`${key} must be >= ${UNLIMITED}`);
  if (limit > MAX_INT) throw badRequest(`${key} must be <= ${MAX_INT}`);
  return limit;
}
