import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { noImage } from '../images/rows.ts';
import type { ImageCatalog, ImageRecord } from './catalog.ts';
import type { GlanceClient } from './glance-client.ts';

const record = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  visibility: z.string(),
  owner: z.string().nullish(),
  disk_format: z.string().nullish(),
  container_format: z.string().nullish(),
  size: z.number().nullish(),
  virtual_size: z.number().nullish(),
  min_disk: z.number(),
  min_ram: z.number(),
  checksum: z.string().nullish(),
  os_hash_algo: z.string().nullish(),
  os_hash_value: z.string().nullish(),
});
type GlanceImage = z.output<typeof record>;
const page = z.looseObject({
  images: z.array(record),
  next: z.string().startsWith('/v2/images?').nullish(),
});

/** Text of Glance's own beside a user's properties. */
const NOT_PROPERTIES: ReadonlySet<string> = new Set([
  ...Object.keys(record.shape),
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'direct_url',
  'stores',
]);

/** As long as an upload may take, and some more. */
const WATCHED_MS = 8 * 3_600_000;

/** Images of a real Glance, seen with our account there and shown to whom they are meant for. */
export function glanceCatalog(client: GlanceClient): ImageCatalog {
  async function read(id: string): Promise<GlanceImage> {
    const { status, body } = await client.ask('GET', `/v2/images/${encodeURIComponent(id)}`);
    if (status === 403 || status === 404) throw noImage(id);
    const image = record.safeParse(body);
    if (!image.success)
      throw new ApiError(502, 'The image service answered with something else than an image.');
    return image.data;
  }

  /** @param first path of the first page; each says where the next one is. */
  async function* pages(first: string): AsyncGenerator<GlanceImage> {
    const asked = new Set<string>();
    for (let path: string | undefined = first; path !== undefined && !asked.has(path); ) {
      asked.add(path);
      const { body } = await client.ask('GET', path);
      const images = page.safeParse(body);
      if (!images.success)
        throw new ApiError(502, 'The image service answered with something else than images.');
      yield* images.data.images;
      path = images.data.next ?? undefined;
    }
  }

  /** A shared image is for those projects that have accepted it. */
  async function isMember(id: string, project: string): Promise<boolean> {
    const { status, body } = await client.ask(
      'GET',
      `/v2/images/${encodeURIComponent(id)}/members/${encodeURIComponent(project)}`,
    );
    return status === 200 && (body as { status?: unknown }).status === 'accepted';
  }

  async function mayUse(
    { caller }: RequestContext,
    { id, owner, visibility }: GlanceImage,
  ): Promise<boolean> {
    if (caller.isAdmin || owner === caller.projectId) return true;
    if (visibility === 'public' || visibility === 'community') return true;
    return visibility === 'shared' && isMember(id, caller.projectId);
  }

  async function remove(id: string): Promise<void> {
    const path = `/v2/images/${id}`;
    await client.ask('PATCH', path, [{ op: 'replace', path: '/protected', value: false }]);
    await client.ask('DELETE', path);
  }

  return {
    async find(context, id) {
      const image = await read(id);
      if (!(await mayUse(context, image))) throw noImage(id);
      return toRecord(image);
    },

    async named(context, name) {
      const seen: ImageRecord[] = [];
      // The first page may be full of others' images; two of one's own are as good as more.
      for await (const image of pages(`/v2/images?name=${encodeURIComponent(name)}`)) {
        if (await mayUse(context, image)) seen.push(toRecord(image));
        if (seen.length === 2) break;
      }
      return seen;
    },

    async prepare({ app, caller }, { properties, ...fields }, encrypted) {
      // It would take the key to its grave: Glance asks Barbican to delete one, and our store hears of nothing.
      if (encrypted)
        throw badRequest('An encrypted volume cannot be uploaded to this image service: it keeps no keys.');
      const { status, body } = await client.ask('POST', '/v2/images', {
        ...properties,
        ...fields,
        owner: caller.projectId,
      });
      const made = z.looseObject({ id: z.string() }).safeParse(body);
      if (status === 403)
        throw new ApiError(403, 'The image service lets our account make no image for this project.');
      if (!made.success)
        throw new ApiError(502, `The image service answered ${status} when asked for a new image.`);
      const { id } = made.data;
      return {
        id,
        write: () => undefined,
        discard: () => remove(id).catch(() => undefined),
        watch(operation) {
          const seen = app.operations.ended(operation, WATCHED_MS).then(async ({ state }) => {
            if (state === 'undone' || state === 'stuck') await remove(id);
          });
          // An image without data is left for whoever looks after that Glance.
          seen.catch(() => undefined);
        },
      };
    },
  };
}

function toRecord(image: GlanceImage): ImageRecord {
  const properties = Object.entries(image).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && !NOT_PROPERTIES.has(entry[0]),
  );
  return {
    id: image.id,
    name: image.name ?? null,
    status: image.status,
    disk_format: image.disk_format ?? null,
    container_format: image.container_format ?? null,
    size: image.size ?? null,
    virtual_size: image.virtual_size ?? null,
    min_disk: image.min_disk,
    min_ram: image.min_ram,
    checksum: image.checksum ?? null,
    os_hash_algo: image.os_hash_algo ?? null,
    os_hash_value: image.os_hash_value ?? null,
    encryption_key_id: null,
    properties: Object.fromEntries(properties),
  };
}
