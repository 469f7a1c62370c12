import type { App } from '#api/http/context.ts';
import { sqlTime } from '#schema/clock.ts';
import type { ImageFiles } from './files.ts';
import { markOf } from './token.ts';

/** Tidies up now, as an api that starts, and every few minutes. */
export async function keepTidy(app: App, log: (line: string) => void): Promise<NodeJS.Timeout | undefined> {
  if (app.images.files === undefined) return undefined;
  await tidyImages(app, app.images.files, true);
  return setInterval(() => {
    const { files } = app.images;
    if (files === undefined) return;
    tidyImages(app, files, false).catch((error: Error) => log(`tidying images: ${error.message}`));
  }, ABANDONED_MS);
}

/** Data that have not grown for this long come in no more: twice what an idle client is given. */
const ABANDONED_MS = 300_000;

/**
 * Ends uploads whose api died: images that were being saved wait for data again, and what had come in goes; and so do
 * data whose image was deleted.
 * @param starting also ends the uploads of this api's former life, however young: it has none by now.
 */
export async function tidyImages(
  { db, clock, images }: App,
  store: ImageFiles,
  starting: boolean,
): Promise<void> {
  const files = await store.list();
  const limit = clock.now() - ABANDONED_MS;
  const growing = new Set(files.filter(({ changedAt }) => changedAt > limit).map(({ token }) => token));
  const saving = await db
    .selectFrom('images')
    .select(['id', 'upload', 'updated_at'])
    .where('status', '=', 'saving')
    .execute();
  const ended = new Set<string>();
  const mark = markOf(images.name);
  for (const { id, upload, updated_at } of saving) {
    const mine = upload?.startsWith(`${images.name}/`) ?? false;
    const token = upload?.split('/').at(-1) ?? '';
    const quiet = updated_at < sqlTime(limit) && !growing.has(token);
    if (!(starting && mine) && !quiet) continue;
    ended.add(token);
    await db
      .updateTable('images')
      .set({ status: 'queued', upload: null, updated_at: sqlTime(clock.now()) })
      .where('id', '=', id)
      .where('status', '=', 'saving')
      .where('upload', upload === null ? 'is' : '=', upload)
      .execute();
  }
  await removeOrphans(
    db,
    store,
    files,
    ({ token, changedAt }) =>
      ended.has(token ?? '') || (starting && token?.startsWith(mark) === true) || changedAt < limit,
  );
}

type Found = Awaited<ReturnType<ImageFiles['list']>>[number];

/** The records are read after the files were listed: data that have just become an image's have theirs by then. */
async function removeOrphans(
  db: App['db'],
  store: ImageFiles,
  found: readonly Found[],
  abandoned: (file: Found) => boolean,
): Promise<void> {
  const rows = await db.selectFrom('images').select(['id', 'upload']).execute();
  const uploads = new Map<string, string | null>(rows.map(({ id, upload }) => [id, upload]));
  for (const file of found) {
    const { id, token } = file;
    if (token === null) {
      if (!uploads.has(id)) await store.remove(id);
    } else if (uploads.get(id)?.endsWith(`/${token}`) !== true && abandoned(file)) {
      // Another api's young one may not have been written down yet.
      await store.discard(id, token);
    }
  }
}
