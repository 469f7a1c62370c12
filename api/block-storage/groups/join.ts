import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, invalidInput } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import type { GroupId } from '#schema/ids.ts';
import { mayUse, namedTypeMissing, readTypeByNameOrId } from '../types/rows.ts';
import { findGroup, invalidGroup, typesOf } from './rows.ts';

/** The group that a new volume is made in. */
export interface Membership {
  readonly id: GroupId;
  /** Where all its volumes lie, as in Cinder. */
  readonly availabilityZone: string;
  /** Sees to it, in the transaction that makes the volume, that the group is not being deleted. */
  hold(tx: Tx): void;
  /** What a client is told when `hold` found that it is. */
  lost(): ApiError;
}

/**
 * Checks that a volume of that type may be made in the group.
 * @param type as the request names it.
 * @throws ApiError 400 or 404
 */
export async function joinGroup(
  context: RequestContext,
  group: string | null | undefined,
  type: string | null | undefined,
): Promise<Membership | undefined> {
  if (group === null || group === undefined || group === '') return undefined;
  const { id, availability_zone: availabilityZone } = await findGroup(context, group);
  if (!type) throw invalidInput('volume_type must be provided when creating a volume in a group.');
  const types = (await typesOf(context, [id])).get(id) ?? [];
  const wanted = await readTypeByNameOrId(context.app.db, type);
  if (wanted === undefined) throw namedTypeMissing(type);
  if (!types.includes(wanted.id)) {
    if (!(await mayUse(context, wanted))) throw namedTypeMissing(type);
    throw invalidInput(
      `Invalid volume_type provided: ${wanted.name} (requested type must be supported by this group).`,
    );
  }
  return {
    id,
    availabilityZone,
    hold: (tx) =>
      tx.must(
        tx.q
          .updateTable('volume_groups')
          .set((eb) => ({ status: eb.ref('status') }))
          .where('id', '=', id)
          .where('status', 'not in', ['deleting', 'error_deleting', 'deleted']),
      ),
    lost: () => invalidGroup(`Group ${id} is being deleted.`),
  };
}
