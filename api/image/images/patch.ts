import type { RequestContext } from '#api/http/context.ts';
import { badRequest, conflict, forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { columnsOf, type Draft, draftOf, isField, isReserved, set } from './fields.ts';
import { findOwnImage, type ImageRow, noImage } from './rows.ts';
import type { Patch } from './schema.ts';
import { imageView } from './view.ts';

/** Changes an image as a JSON patch says (RFC 6902; Glance takes `add`, `replace` and `remove` of whole properties). */
export async function patchImage(context: RequestContext, id: string, patch: Patch): Promise<Reply> {
  return change(context, id, (draft, row) => {
    for (const { op, path, value } of patch) {
      const name = nameOf(path);
      if (op === 'remove') remove(draft, name);
      else {
        if (op === 'replace' && !isKnown(draft, name)) throw missing(name);
        checkFormat(row, name);
        set(context, draft, name, value);
      }
    }
  });
}

/** Edits an image under a lock on its row. */
export async function change(
  context: RequestContext,
  id: string,
  edit: (draft: Draft, row: ImageRow) => void,
): Promise<Reply> {
  const { db, clock } = context.app;
  const found = await findOwnImage(context, id);
  const row = await transact(db, async (trx) => {
    const locked = await trx
      .selectFrom('images')
      .selectAll()
      .where('id', '=', found.id)
      .forUpdate()
      .executeTakeFirst();
    if (locked === undefined) throw noImage(id);
    const draft = draftOf(locked);
    edit(draft, locked);
    const changes = { ...columnsOf(draft), updated_at: sqlTime(clock.now()) };
    await trx.updateTable('images').set(changes).where('id', '=', found.id).execute();
    return { ...locked, ...changes };
  });
  return { status: 200, body: imageView(row) };
}

function isKnown(draft: Draft, name: string): boolean {
  return isField(name) || isReserved(name) || draft.properties.has(name);
}

/** A JSON pointer of one segment (RFC 6901). */
function nameOf(path: string): string {
  const name = path.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
  if (name === '') throw badRequest('A path must name a property.');
  return name;
}

function remove(draft: Draft, name: string): void {
  if (isField(name) || isReserved(name)) throw forbidden(`Property ${name} may not be removed.`);
  if (!draft.properties.delete(name)) throw missing(name);
}

function missing(name: string): Error {
  return conflict(`Property ${name.slice(0, 255)} does not exist.`);
}

/** The data have been checked against these; they stay what they are. */
function checkFormat(row: ImageRow, name: string): void {
  if ((name === 'disk_format' || name === 'container_format') && row.status !== 'queued') {
    throw forbidden(`Attribute ${name} can be only replaced for a queued image.`);
  }
}
