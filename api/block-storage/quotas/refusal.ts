import type { App } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { type Charge, itemsOf } from './charges.ts';
import { projectLimits } from './limits.ts';
import { UNLIMITED } from './resources.ts';
import { usageOf } from './usage.ts';

/** One limit that a request would exceed. */
interface Over {
  readonly of: Charge['of'];
  /** `gigabytes`, or `gigabytes_<type>`. */
  readonly name: string;
  readonly limit: number;
  readonly consumed: number;
  readonly requested: number;
}

/** In Cinder's words, why the charges were refused, by what is used now that they are not. */
export async function overQuota(app: App, charges: readonly Charge[]): Promise<ApiError> {
  const items = itemsOf(charges);
  const overs: Over[] = [];
  for (const [project, own] of Map.groupBy(items, (item) => item.project)) {
    const [limits, usage] = await Promise.all([projectLimits(app, project), usageOf(app, project)]);
    for (const { of, resource, type, amount } of own) {
      const { inUse, reserved } = usage.of(resource, type);
      const [limit, consumed] = [limits.of(resource, type), inUse + reserved];
      if (limit === UNLIMITED || consumed + amount <= limit) continue;
      const name = type === '' ? resource : `${resource}_${await typeName(app, type)}`;
      overs.push({ of, name, limit, consumed, requested: amount });
    }
  }
  // As Cinder looks at them: that one before all others, which come in the order of their names.
  const order = ({ name }: Over): string => (name === 'per_volume_gigabytes' ? '' : name);
  const [first] = overs.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  if (first !== undefined) return sayOver(first);
  // Room has been made since.
  const names = new Set(items.map(({ resource }) => resource));
  return quotaError('UnexpectedOverQuota', `Unexpected over quota on ${[...names].join(', ')}.`);
}

async function typeName({ db }: App, id: VolumeTypeId): Promise<string> {
  const row = await db.selectFrom('volume_types').select('name').where('id', '=', id).executeTakeFirst();
  return row?.name ?? id;
}

function sayOver({ of, name, limit, consumed, requested }: Over): ApiError {
  if (name === 'per_volume_gigabytes') {
    return quotaError(
      'VolumeSizeExceedsLimit',
      `Requested volume size ${requested}G is larger than maximum allowed limit ${limit}G.`,
    );
  }
  if (name.includes('gigabytes')) {
    const sizes = `Requested ${requested}G, quota is ${limit}G and ${consumed}G has been consumed.`;
    return of === 'backups'
      ? quotaError(
          'VolumeBackupSizeExceedsAvailableQuota',
          `Requested backup exceeds allowed Backup gigabytes quota. ${sizes}`,
        )
      : quotaError(
          'VolumeSizeExceedsAvailableQuota',
          `Requested volume or snapshot exceeds allowed ${name} quota. ${sizes}`,
        );
  }
  const ending = of === 'volumes' ? ` for quota '${name}'.` : '';
  return quotaError(NUMBER_EXCEEDED[of], `Maximum number of ${of} allowed (${limit}) exceeded${ending}`);
}

const NUMBER_EXCEEDED: Readonly<Record<Charge['of'], string>> = {
  volumes: 'VolumeLimitExceeded',
  snapshots: 'SnapshotLimitExceeded',
  backups: 'BackupLimitExceeded',
  groups: 'GroupLimitExceeded',
};

/**
 * Where Cinder catches the errors of these names itself, it leaves out the name.
 * @returns every other error as it is
 */
export function withoutName(error: unknown, ...names: readonly string[]): unknown {
  if (!(error instanceof ApiError)) return error;
  const name = names.find((each) => error.message.startsWith(`${each}: `));
  return name === undefined
    ? error
    : new ApiError(error.status, error.message.slice(name.length + 2), error.headers);
}

/** Cinder shows the exception's name before its text. */
function quotaError(name: string, message: string): ApiError {
  return new ApiError(413, `${name}: ${message}`, { 'Retry-After': '0' });
}
