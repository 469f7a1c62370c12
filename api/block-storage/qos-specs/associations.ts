import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { noType, readType } from '../types/rows.ts';
import { beginApply } from './apply.ts';
import { changeQos, findQos, toSpec } from './change.ts';

export async function listAssociations(context: RequestContext, id: string): Promise<Reply> {
  const spec = await findQos(context, id);
  const types = await context.app.db
    .selectFrom('volume_types')
    .select(['id', 'name'])
    .where('qos_specs_id', '=', spec.id)
    .orderBy('created_at')
    .execute();
  const associations = types.map((type) => ({
    association_type: 'volume_type',
    name: type.name,
    id: type.id,
  }));
  return { status: 200, body: { qos_associations: associations } };
}

export async function associate(
  context: RequestContext,
  id: string,
  type: string | undefined,
): Promise<Reply> {
  const typeId = required(type);
  await changeQos(context, id, async ({ trx, row }) => {
    const found = await readType(trx, typeId, true);
    if (found === undefined) throw noType(typeId);
    if (found.qos_specs_id === row.id) return [];
    if (found.qos_specs_id !== null) {
      throw badRequest(
        `Invalid volume type: Type ${found.id} is already associated with another qos specs: ${found.qos_specs_id}`,
      );
    }
    await trx.updateTable('volume_types').set({ qos_specs_id: row.id }).where('id', '=', found.id).execute();
    return beginApply(context, trx, [found.id], null, toSpec(row));
  });
  return { status: 202 };
}

export async function disassociate(
  context: RequestContext,
  id: string,
  type: string | undefined,
): Promise<Reply> {
  const typeId = required(type);
  await changeQos(context, id, async ({ trx, row }) => {
    const found = await readType(trx, typeId, true);
    if (found === undefined) throw noType(typeId);
    if (found.qos_specs_id !== row.id) return [];
    await trx.updateTable('volume_types').set({ qos_specs_id: null }).where('id', '=', found.id).execute();
    return beginApply(context, trx, [found.id], toSpec(row), null);
  });
  return { status: 202 };
}

export async function disassociateAll(context: RequestContext, id: string): Promise<Reply> {
  await changeQos(context, id, async ({ trx, row, types }) => {
    await trx
      .updateTable('volume_types')
      .set({ qos_specs_id: null })
      .where('qos_specs_id', '=', row.id)
      .execute();
    return beginApply(context, trx, types, toSpec(row), null);
  });
  return { status: 202 };
}

function required(type: string | undefined): string {
  if (type === undefined || type === '') throw badRequest('Volume Type id must not be None.');
  return type;
}
