import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { createGroupFromSource } from '../groups/from-source.ts';
import { readGroups } from '../groups/list.ts';
import { findGroup, type GroupRow, typesOf } from '../groups/rows.ts';
import { updateGroup } from '../groups/update.ts';
import { plainView, summaryView } from '../groups/view.ts';
import { findTypeNamed } from '../types/rows.ts';
import type { Changes, NewFromSource, NewGroup } from './schema.ts';

type Query = Readonly<Record<string, string>>;

/** From here on a name or description may be made empty. */
const BLANKS_SINCE = 6;

/** As in Cinder these are all of the project's groups. */
export async function listGroups(context: RequestContext, query: Query, detail: boolean): Promise<Reply> {
  const { rows, links } = await readGroups(context, query, 'consistencygroups');
  const shown = detail ? await views(context, rows) : rows.map(summaryView);
  return {
    status: 200,
    body: { consistencygroups: shown, ...(links.length > 0 && { consistencygroup_links: links }) },
  };
}

export async function showGroup(context: RequestContext, id: string): Promise<Reply> {
  const [consistencygroup] = await views(context, [await findGroup(context, id)]);
  return { status: 200, body: { consistencygroup } };
}

async function views(context: RequestContext, rows: readonly GroupRow[]) {
  const types = await typesOf(
    context,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => plainView(row, types));
}

/** None is made: it would promise one moment for all of its snapshots, which no back end here keeps. @throws ApiError 400 or 404 */
export async function refuseGroup(
  context: RequestContext,
  { name, volume_types: types }: NewGroup,
): Promise<never> {
  if (!types) {
    throw badRequest(`volume_types must be provided to create consistency group ${name ?? 'None'}.`);
  }
  const [first] = types.replace(/,+$/, '').split(',');
  if (first !== undefined) await findTypeNamed(context, first);
  throw badRequest(
    'Invalid group type: no back end takes the snapshots of several volumes at one moment; make a group (group-create) instead.',
  );
}

/** @throws ApiError 400 or 404 */
export async function copyGroup(
  context: RequestContext,
  { name, description, cgsnapshot_id: snapshot, source_cgid: source }: NewFromSource,
): Promise<Reply> {
  const called = name ?? 'None';
  if (!snapshot && !source) {
    throw badRequest(
      `Either 'cgsnapshot_id' or 'source_cgid' must be provided to create consistency group ${called} from source.`,
    );
  }
  if (snapshot && source) {
    throw badRequest(
      `Cannot provide both 'cgsnapshot_id' and 'source_cgid' to create consistency group ${called} from source.`,
    );
  }
  const { status, body } = await createGroupFromSource(context, {
    name,
    description,
    ...(snapshot && { group_snapshot_id: snapshot }),
    ...(source && { source_group_id: source }),
  });
  return { status, body: { consistencygroup: (body as { group: unknown }).group } };
}

/** @throws ApiError 400 or 404 */
export async function changeGroup(context: RequestContext, id: string, changes: Changes): Promise<Reply> {
  await findGroup(context, id);
  const { name, description, add_volumes: add, remove_volumes: remove } = changes;
  const moves = Boolean(add || remove);
  if (context.microversion >= BLANKS_SINCE) {
    if (name == null && description == null && !moves) {
      throw badRequest(
        'Must specify one or more of the following keys to update: name, description, add_volumes, remove_volumes.',
      );
    }
  } else if (!name && !description && !moves) {
    throw badRequest(
      'Name, description, add_volumes, and remove_volumes can not be all empty in the request body.',
    );
  }
  return updateGroup(context, id, {
    name,
    description,
    add_volumes: idsOf(add),
    remove_volumes: idsOf(remove),
  });
}

function idsOf(text: string | null | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((id) => id.trim().toLowerCase())
    .filter((id) => id !== '');
}
