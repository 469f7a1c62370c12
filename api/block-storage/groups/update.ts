import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, invalidVolume } from '#api/http/errors.ts';
import { repr } from '#api/http/python.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, isUuid, type VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import { findGroup, type GroupRow, invalidGroup, typesOf, volumesOf } from './rows.ts';
import type { GroupChanges } from './schema.ts';

const ADDABLE = ['available', 'in-use'] as const satisfies readonly VolumeStatus[];
const REMOVABLE = [
  'available',
  'in-use',
  'error',
  'error_deleting',
] as const satisfies readonly VolumeStatus[];

/** Which volumes belong to a group is known in MySQL alone, so a change is done when it is answered. */
export async function updateGroup(
  context: RequestContext,
  id: string,
  changes: GroupChanges,
): Promise<Reply> {
  const { app } = context;
  const group = await findGroup(context, id);
  const add = changes.add_volumes ?? [];
  const remove = changes.remove_volumes ?? [];
  const both = add.filter((volume) => remove.includes(volume));
  if (both.length > 0) {
    throw invalidVolume(`UUIDs ${repr(both).slice(0, 1_000)} are in both add and remove volume list.`);
  }
  const members = (await volumesOf(context, [group.id])).get(group.id) ?? [];
  const added = await checkAdded(
    context,
    group,
    add.filter((each) => !members.includes(asId<VolumeId>(each))),
  );
  const removed = await checkRemoved(context, group, members, remove);
  const name = changes.name === group.name ? null : (changes.name ?? null);
  const description = changes.description === group.description ? null : (changes.description ?? null);
  const moves = added.length + removed.length > 0;
  if (name === null && description === null && !moves) {
    throw invalidGroup(
      `Cannot update group ${group.id} because no valid name, description, add_volumes, or remove_volumes were provided.`,
    );
  }
  const now = sqlTime(app.clock.now());
  await transaction(app.db, async (tx) => {
    const update = tx.q
      .updateTable('volume_groups')
      .set({ ...(name !== null && { name }), ...(description !== null && { description }), updated_at: now })
      .where('id', '=', group.id);
    tx.must(moves ? update.where('status', '=', 'available') : update);
    for (const volume of added) {
      tx.must(
        tx.q
          .updateTable('volumes')
          .set({ group_id: group.id })
          .where('id', '=', volume)
          .where('group_id', 'is', null)
          .where('project_id', '=', group.project_id)
          .where('status', 'in', ADDABLE),
      );
    }
    for (const volume of removed) {
      tx.must(
        tx.q
          .updateTable('volumes')
          .set({ group_id: null })
          .where('id', '=', volume)
          .where('group_id', '=', group.id)
          .where('status', 'in', REMOVABLE),
      );
    }
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? invalidGroup('Group status must be available.') : error;
  });
  return { status: 202 };
}

/** @throws ApiError 400 */
async function checkAdded(
  context: RequestContext,
  group: GroupRow,
  wanted: readonly string[],
): Promise<VolumeId[]> {
  if (wanted.length === 0) return [];
  const types = (await typesOf(context, [group.id])).get(group.id) ?? [];
  const volumes = await Promise.all(wanted.map((id) => ownVolume(context, id)));
  return volumes.map((volume, i) => {
    const refused = (reason: string): ApiError =>
      invalidVolume(`Cannot add volume ${wanted[i]?.slice(0, 255)} to group ${group.id} ${reason}`);
    if (volume === undefined) throw refused('because volume cannot be found.');
    if (volume.group_id !== null) throw refused(`because it is already in group ${volume.group_id}.`);
    if (volume.project_id !== group.project_id) throw refused('as they belong to different projects.');
    if (volume.volume_type_id === null) throw refused('because it has no volume type.');
    if (!types.includes(volume.volume_type_id)) {
      throw refused(`because volume type ${volume.volume_type_id} is not supported by the group.`);
    }
    if (!(ADDABLE as readonly string[]).includes(volume.status)) {
      throw refused(
        `because volume is in an invalid state: ${volume.status}. Valid states are: ${tuple(ADDABLE)}.`,
      );
    }
    return volume.id;
  });
}

async function ownVolume({ app, caller }: RequestContext, id: string): Promise<VolumeRow | undefined> {
  const volume = isUuid(id) ? await app.volumes.load(id) : undefined;
  return volume?.project_id === caller.projectId || caller.seesAllProjects ? volume : undefined;
}

/** @throws ApiError 400 */
async function checkRemoved(
  { app }: RequestContext,
  group: GroupRow,
  members: readonly VolumeId[],
  wanted: readonly string[],
): Promise<VolumeId[]> {
  return Promise.all(
    [...new Set(wanted)].map(async (id) => {
      const member = members.find((each) => each === id);
      const volume = member === undefined ? undefined : await app.volumes.load(member);
      const refused = (reason: string): ApiError =>
        invalidVolume(`Cannot remove volume ${id.slice(0, 255)} from group ${group.id} because ${reason}`);
      if (volume === undefined) throw refused('it is not in the group.');
      if (!(REMOVABLE as readonly string[]).includes(volume.status)) {
        throw refused(
          `volume is in an invalid state: ${volume.status}. Valid states are: ${tuple(REMOVABLE)}.`,
        );
      }
      return volume.id;
    }),
  );
}

/** As Python shows one. */
const tuple = (words: readonly string[]): string => `(${words.map((word) => `'${word}'`).join(', ')})`;
