import type { IncomingMessage } from 'node:http';
import { mediaType } from '#api/http/body.ts';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, conflict, forbidden } from '#api/http/errors.ts';
import { BYTES, type Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { ImageStatus } from '#schema/states.ts';
import type { DiskFormat } from '#schema/tasks.ts';
import { findOwnImage, type ImageRow, noImage } from '../images/rows.ts';
import { isAgent } from '../ticket.ts';
import { filesOf } from './files.ts';
import { checkRoom, takeRoom } from './limits.ts';
import { type Received, receive, tooLarge } from './receive.ts';
import { newToken } from './token.ts';

/** Takes an image's data: queued → saving → active, or back to queued with nothing left. */
export async function uploadData(
  context: RequestContext,
  id: string,
  request: IncomingMessage,
): Promise<Reply> {
  const image = await findOwnImage(context, id);
  if (isAgent(context.caller) && image.status === 'active') {
    // Its task runs a second time: the first one has brought them.
    return { status: 204 };
  }
  const encrypted = image.encryption_key_id !== null;
  // They are a volume's; what else somebody made of them would be opened with a key that is not theirs.
  if (encrypted && !isAgent(context.caller))
    throw forbidden('The data of an encrypted image come from its volume alone.');
  const format = checkRequest(image, request);
  const announced = Number(request.headers['content-length'] ?? 0);
  const maxBytes = await checkRoom(context, image, announced);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const files = filesOf(context);
  const token = newToken(context.app.images.name, context.app.ids);
  await using cleanup = new AsyncDisposableStack();
  const file = await files.create(image.id, token);
  cleanup.defer(() => files.discard(image.id, token));
  cleanup.defer(() => file.close());
  await begin(context, image, token);
  try {
    const received = await receive(request, file, { format, encrypted }, maxBytes);
    await finish(context, image, token, received);
  } catch (error) {
    await giveBack(context, image, token);
    throw error instanceof LostRow ? noImage(image.id) : error;
  }
  return { status: 204 };
}

function checkRequest({ disk_format, container_format }: ImageRow, request: IncomingMessage): DiskFormat {
  const type = request.headers['content-type'];
  if (type !== undefined && mediaType(type) !== BYTES) throw new ApiError(415, 'Unsupported Content-Type');
  if (disk_format === null || container_format === null) {
    throw conflict('Properties disk_format, container_format must be set prior to saving data.');
  }
  return disk_format as DiskFormat;
}

/** An agent whose task runs again takes over from itself: its former connection may not have been missed yet. */
async function begin({ app, caller }: RequestContext, { id }: ImageRow, token: string): Promise<void> {
  const from: ImageStatus[] = isAgent(caller) ? ['queued', 'saving'] : ['queued'];
  const { numUpdatedRows } = await app.db
    .updateTable('images')
    .set({ status: 'saving', upload: `${app.images.name}/${token}`, updated_at: sqlTime(app.clock.now()) })
    .where('id', '=', id)
    .where('status', 'in', from)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    throw conflict(`Image ${id} has data already, or somebody is uploading them at this moment.`);
  }
}

/**
 * @throws LostRow when the image was deleted, or is somebody else's to save by now; ApiError 413 when the project's share
 * was used up by others meanwhile.
 */
async function finish(
  context: RequestContext,
  { id, project_id }: ImageRow,
  token: string,
  { size, virtualSize, md5, sha512 }: Received,
): Promise<void> {
  const { app } = context;
  await transaction(app.db, async (tx) => {
    await takeRoom(tx, context, project_id, size);
    const { matched } = await tx.change(
      tx.q
        .updateTable('images')
        .set({
          status: 'active',
          upload: null,
          size,
          virtual_size: virtualSize,
          checksum: md5,
          os_hash_algo: 'sha512',
          os_hash_value: sha512,
          updated_at: sqlTime(app.clock.now()),
        })
        .where('id', '=', id)
        .where('status', '=', 'saving')
        .where('upload', '=', `${app.images.name}/${token}`),
    );
    if (matched === 0) throw new LostRow(`image ${id} is gone`);
    // Under the row's lock: nobody can delete the image, or save another's data, between the two.
    await filesOf(context).keep(id, token);
  });
}

async function giveBack({ app }: RequestContext, { id }: ImageRow, token: string): Promise<void> {
  await app.db
    .updateTable('images')
    .set({ status: 'queued', upload: null, updated_at: sqlTime(app.clock.now()) })
    .where('id', '=', id)
    .where('status', '=', 'saving')
    .where('upload', '=', `${app.images.name}/${token}`)
    .execute();
}
