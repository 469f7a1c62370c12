import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RequestContext } from '#api/http/context.ts';
import { noSuchRoute } from '#api/http/errors.ts';
import { isUuid } from '#schema/ids.ts';

/** Image data on this machine's disk: `<image id>`, and `<image id>.<token>.part` while it comes in. */
export class ImageFiles {
  readonly #dir: string;

  /** @param dir made when missing; shared by all apis of one Blockyard. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
  }

  /** A new, empty file for data that come in. */
  create(id: string, token: string): Promise<FileHandle> {
    return open(this.#part(id, token), 'wx', 0o600);
  }

  /** Makes what has come in the image's data: whole and durable, or not at all. */
  async keep(id: string, token: string): Promise<void> {
    await rename(this.#part(id, token), join(this.#dir, id));
    await using dir = await open(this.#dir);
    await dir.sync();
  }

  async discard(id: string, token: string): Promise<void> {
    await rm(this.#part(id, token), { force: true });
  }

  read(id: string): Promise<FileHandle> {
    return open(join(this.#dir, id));
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#dir, id), { force: true });
  }

  /** Everything there is; `token` is null for whole data. Files of others are left out. */
  async list(): Promise<{ id: string; token: string | null; sizeBytes: number; changedAt: number }[]> {
    const found = [];
    for (const name of await readdir(this.#dir)) {
      const [, id = '', token = null] = /^([0-9a-f-]{36})(?:\.([0-9a-f-]{36})\.part)?$/.exec(name) ?? [];
      if (!isUuid(id)) continue;
      const facts = await stat(join(this.#dir, name)).catch(() => undefined);
      if (facts !== undefined) found.push({ id, token, sizeBytes: facts.size, changedAt: facts.mtimeMs });
    }
    return found;
  }

  #part(id: string, token: string): string {
    return join(this.#dir, `${id}.${token}.part`);
  }
}

/** @throws ApiError 404 when images are kept elsewhere, or nowhere. */
export function filesOf({ app }: Pick<RequestContext, 'app'>): ImageFiles {
  if (app.images.files === undefined) throw noSuchRoute();
  return app.images.files;
}
