import type { RequestContext } from '#api/http/context.ts';
import { conflict, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { checkStorage } from '../services/down.ts';
import { findVolume } from './rows.ts';
import { findSource } from './source.ts';

/** @param reserved also a volume that is kept for a server, of which no host is let in. */
export async function reimageVolume(
  context: RequestContext,
  id: string,
  imageId: string,
  reserved: boolean,
): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const attached = await app.db
    .selectFrom('attachments')
    .select('status')
    .where('volume_id', '=', volume.id)
    .execute();
  if (attached.length > 1)
    throw conflict('Cannot re-image a volume which is attached to more than one server.');
  const from: VolumeStatus[] = reserved ? ['available', 'error', 'reserved'] : ['available', 'error'];
  const refused = (): Error =>
    invalidVolume(
      `Volume ${volume.id} status must be ${from.join(' or ')}, but current status is ${volume.status}.`,
    );
  if (!from.includes(volume.status) || volume.pool === null) throw refused();
  await checkStorage(app, volume);
  const found = await findSource(context, { imageRef: imageId });
  const source = found?.input.source;
  if (found === undefined || source?.kind !== 'image')
    throw invalidInput(`Image ${imageId} has no data of its own.`);
  if (found.key !== null) throw invalidInput(`Image ${imageId} is encrypted: make a volume of it.`);
  if (volume.size_gib < found.leastGib) throw found.tooSmall(volume.size_gib);
  const metadata = JSON.parse(found.columns.image_metadata ?? '{}') as Record<string, string>;
  const operation = await transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'downloading', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', volume.id)
        .where('status', 'in', from)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('attachments')
                .select('id')
                .where('volume_id', '=', volume.id)
                .where('status', '<>', 'reserved'),
            ),
          ),
        ),
    );
    return app.operations.begin(tx, {
      kind: 'volume.reimage',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { image: source.image, metadata },
    });
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? refused() : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}
