import type { ProjectId, VolumeTypeId } from '#schema/ids.ts';
import type { SnapshotsTable, VolumesTable } from '#schema/tables.ts';
import { type Resource, TYPED_RESOURCES } from './resources.ts';

/** What a request uses more of. */
export interface Charge {
  readonly project: ProjectId;
  /** What is made or enlarged: chooses the words of a refusal. */
  readonly of: 'volumes' | 'snapshots' | 'backups' | 'groups';
  /** `per_volume_gigabytes` is the whole size of one volume; the others are what is added. */
  readonly amounts: Readonly<Partial<Record<Resource, number>>>;
  /** The volume's: its own limits on volumes, gigabytes and snapshots hold as well. */
  readonly type?: VolumeTypeId | null;
  /** Only the type's limits are looked at: the project has the volume already (a retype). */
  readonly typeOnly?: boolean;
}

/** A volume of its whole size; as many of its snapshots as go with it. */
export function volumeCharge(
  { project_id: project, size_gib: gib, volume_type_id: type }: ChargedVolume,
  snapshotGib: readonly number[] = [],
): Charge {
  const snapshots = snapshotGib.length;
  return {
    project,
    of: 'volumes',
    amounts: {
      per_volume_gigabytes: gib,
      volumes: 1,
      gigabytes: snapshotGib.reduce((sum, each) => sum + each, gib),
      ...(snapshots > 0 && { snapshots }),
    },
    type,
  };
}

/** A snapshot of that volume. */
export function snapshotCharge(
  { project_id: project, size_gib: gib }: Pick<SnapshotsTable, 'project_id' | 'size_gib'>,
  { volume_type_id: type }: Pick<VolumesTable, 'volume_type_id'>,
): Charge {
  return { project, of: 'snapshots', amounts: { snapshots: 1, gigabytes: gib }, type };
}

type ChargedVolume = Pick<VolumesTable, 'project_id' | 'size_gib' | 'volume_type_id'>;

/** One thing that is counted. */
export interface Item {
  readonly project: ProjectId;
  readonly of: Charge['of'];
  readonly resource: Resource;
  /** Empty: over all types. */
  readonly type: VolumeTypeId | '';
  readonly amount: number;
}

/** What the charges add up to, by project, resource and type. */
export function itemsOf(charges: readonly Charge[]): Item[] {
  const items = new Map<string, Item>();
  for (const item of charges.flatMap(itemsOfOne)) {
    const key = `${item.resource} ${item.type} ${item.project}`;
    const before = items.get(key)?.amount ?? 0;
    const whole = item.resource === 'per_volume_gigabytes';
    items.set(key, { ...item, amount: whole ? Math.max(before, item.amount) : before + item.amount });
  }
  return [...items.values()];
}

function itemsOfOne({ project, of, amounts, type, typeOnly }: Charge): Item[] {
  const typed: readonly Resource[] = TYPED_RESOURCES;
  const all = Object.entries(amounts).map(([resource, amount]) => ({
    project,
    of,
    resource: resource as Resource,
    amount,
  }));
  const own = type == null ? [] : all.filter(({ resource }) => typed.includes(resource));
  return [
    ...(typeOnly === true ? [] : all.map((item) => ({ ...item, type: '' as const }))),
    ...own.map((item) => ({ ...item, type: type ?? ('' as const) })),
  ];
}
