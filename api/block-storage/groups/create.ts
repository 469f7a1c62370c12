import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type GroupId, type VolumeTypeId } from '#schema/ids.ts';
import { findGroupTypeNamed, type GroupTypeRow, specsOf } from '../group-types/rows.ts';
import { charged } from '../quotas/charge.ts';
import type { Charge } from '../quotas/charges.ts';
import { findTypeNamed } from '../types/rows.ts';
import { existingZone } from '../volumes/zones.ts';
import type { GroupRow } from './rows.ts';
import type { NewGroup } from './schema.ts';
import { summaryView } from './view.ts';

const RESERVED_TYPE = 'default_cgsnapshot_type';

/** An empty group: nothing on a host is needed for one, so it is available at once. */
export async function createGroup(context: RequestContext, wanted: NewGroup): Promise<Reply> {
  const types = await volumeTypes(context, wanted.volume_types);
  const type = await findGroupTypeNamed(context, wanted.group_type);
  checkReserved(type);
  checkSpecs(type);
  const row: GroupRow = {
    ...newGroup(context, wanted),
    status: 'available',
    availability_zone: await readZone(context, wanted.availability_zone),
    group_type_id: type.id,
    group_snapshot_id: null,
    source_group_id: null,
  };
  await charged(context, [groupCharge(row)], async (tx) => {
    tx.later(tx.q.insertInto('volume_groups').values(row));
    tx.later(
      tx.q
        .insertInto('volume_group_types')
        .values(types.map((id) => ({ group_id: row.id, volume_type_id: id }))),
    );
  }).catch((error: unknown) => {
    throw isDangling(error) ? badRequest('A type was deleted while the group was being created.') : error;
  });
  return { status: 202, body: { group: summaryView(row) } };
}

/** @throws ApiError 400 in the words that Cinder has for groups. */
async function readZone({ app }: RequestContext, zone: string | null | undefined): Promise<string> {
  return existingZone(app, zone ?? app.defaultAvailabilityZone).catch((error: unknown) => {
    throw error instanceof ApiError ? invalidInput(error.message) : error;
  });
}

/** What every new group has. */
export function newGroup(
  { app, caller }: RequestContext,
  { name, description }: Pick<NewGroup, 'name' | 'description'>,
) {
  return {
    id: asId<GroupId>(app.ids.uuid()),
    project_id: caller.projectId,
    user_id: caller.userId,
    name: name ?? null,
    description: description ?? null,
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
}

export function groupCharge({ project_id: project }: Pick<GroupRow, 'project_id'>): Charge {
  return { project, of: 'groups', amounts: { groups: 1 } };
}

/** Cinder has a type that it moved its consistency groups to. */
function checkReserved({ id, name }: GroupTypeRow): void {
  if (name !== RESERVED_TYPE) return;
  throw badRequest(
    `Group_type ${id} is reserved for migrating CGs to groups. Migrated group can only be operated by CG APIs.`,
  );
}

/** What a group type may promise, and no back end keeps: every snapshot is taken by itself, and nothing is replicated. */
const BEYOND = {
  consistent_group_snapshot_enabled: 'takes the snapshots of several volumes at one moment',
  group_replication_enabled: 'replicates',
  consistent_group_replication_enabled: 'replicates',
} as const;

/** @throws ApiError 400 rather than that somebody is told a lie */
function checkSpecs(type: GroupTypeRow): void {
  const specs = specsOf(type);
  for (const [key, what] of Object.entries(BEYOND)) {
    if (specs[key] !== '<is> True') continue;
    throw badRequest(`Invalid group type: no back end ${what}, as ${type.name} asks (${key}).`);
  }
}

/** By names or ids. @throws ApiError 404 */
async function volumeTypes(context: RequestContext, wanted: readonly string[]): Promise<VolumeTypeId[]> {
  const found = await Promise.all(wanted.map((each) => findTypeNamed(context, each)));
  return [...new Set(found.map(({ id }) => id))];
}
