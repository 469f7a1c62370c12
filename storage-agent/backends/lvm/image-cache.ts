import { KeyedMutex } from '#agent/keyed-mutex.ts';
import { nameOf } from '../../names.ts';
import { GIB, type ImageContent, type OpenedImage } from '../backend.ts';
import type { Lv, Shelf } from './shelf.ts';

/** How much may be kept. */
export interface CacheLimits {
  readonly count: number;
  readonly gib: number;
}

/** Where a cached image is, and how large. */
export interface CachedImage {
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * Images as thin volumes `image-<id>`, of which volumes are snapshots: an image is fetched and converted once. A snapshot
 * stands on its own, so an image may go at any time.
 */
export interface ImageCache {
  /** Lets one caller at a time work with an image: of two who want the same new one, the second finds it. */
  alone<T>(imageId: string, work: () => Promise<T>): Promise<T>;
  /** As `find`, without asking LVM: only what was used since the agent's start. */
  known(image: ImageContent): CachedImage | null;
  /** The cached image if it holds these data. Call it within `alone`. */
  find(image: ImageContent): Promise<CachedImage | null>;
  /** Keeps the image; null when it is larger than all that may be kept, or another pool keeps it. Call it within `alone`. */
  add(image: ImageContent, opened: OpenedImage): Promise<CachedImage | null>;
  /** Lets go of the images of which `isGone` is true. */
  forget(isGone: (imageId: string) => Promise<boolean>): Promise<void>;
  /** Lets go of the image that was used least recently, and of leftovers. @returns false when there is none to let go. */
  evictOne(): Promise<boolean>;
}

/** With an image's tag even what has no image's name any more, or not yet, is found. */
const TAG = 'blockyard-image';

/**
 * @param pool where they are kept. Another pool of the group may keep images by the same names: they are another cache's, which may be
 * writing one at this moment, and a snapshot of one would lie there.
 * @param limits `count` at least 1.
 */
export function createImageCache(shelf: Shelf, pool: string | null, limits: CacheLimits): ImageCache {
  const mutex = new KeyedMutex();
  /** Callers that work with an image or wait for it, by the image's id. */
  const callers = new Map<string, number>();
  /** In the order of their use since the agent's start. */
  const used = new Map<string, CachedImage & { readonly digest: string }>();

  const digestTag = (digest: string): string => `${TAG}=${digest}`;
  const touch = (image: CachedImage, digest: string): CachedImage => {
    used.delete(image.name);
    used.set(image.name, { ...image, digest });
    return image;
  };
  const remove = async (lv: Lv): Promise<void> => {
    const leaving = nameOf('imagedeleting', idOf(lv.name));
    used.delete(lv.name);
    if (lv.name.startsWith('image-')) {
      await shelf.rename(lv.name, leaving);
      await shelf.wipe({ ...lv, name: leaving });
    } else await shelf.wipe(lv);
  };
  const alone = async <T>(imageId: string, work: () => Promise<T>): Promise<T> => {
    callers.set(imageId, (callers.get(imageId) ?? 0) + 1);
    try {
      return await mutex.run(imageId, work);
    } finally {
      const others = (callers.get(imageId) ?? 1) - 1;
      if (others === 0) callers.delete(imageId);
      else callers.set(imageId, others);
    }
  };
  /** Nobody waits here while holding an image: what others work with is passed over. */
  const idle = (all: readonly Lv[]): Lv[] => all.filter(({ name }) => !callers.has(idOf(name)));
  const mine = (lv: Lv): boolean => lv.pool === pool;
  const all = async (): Promise<Lv[]> => (await shelf.select(`tags=${TAG}`)).filter(mine);
  const shrink = async (): Promise<void> => {
    for (;;) {
      const kept = (await all()).filter(({ name }) => name.startsWith('image-'));
      const gib = kept.reduce((sum, { sizeBytes }) => sum + sizeBytes / GIB, 0);
      if (kept.length <= limits.count && gib <= limits.gib) return;
      if (!(await evictOne())) return;
    }
  };
  const evictOne = async (): Promise<boolean> => {
    const order = [...used.keys()];
    // LVM lists the oldest first; those unused since the start have index -1.
    const candidates = idle(await all()).toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    const lv = candidates.find(({ name }) => !name.startsWith('image-')) ?? candidates[0];
    if (lv === undefined) return false;
    await alone(idOf(lv.name), async () => {
      // Another may have been quicker while this waited.
      const now = (await shelf.find(lv.name)).named.get(lv.name);
      if (now !== undefined) await remove(now);
    });
    return true;
  };

  const known = ({ id, digest }: ImageContent): CachedImage | null => {
    const cached = used.get(nameOf('image', id));
    return digest !== null && cached?.digest === digest ? touch(cached, digest) : null;
  };

  return {
    alone,
    known,
    async find(image) {
      const { digest } = image;
      if (digest === null) return null;
      const name = nameOf('image', image.id);
      const found = (await shelf.find(name)).named.get(name);
      if (found === undefined || !mine(found)) return null;
      return found.tags.includes(digestTag(digest)) ? touch(found, digest) : null;
    },
    async add(image, opened) {
      const { digest } = image;
      if (digest === null || opened.sizeBytes > limits.gib * GIB) return null;
      const [name, filling] = [nameOf('image', image.id), nameOf('imagefilling', image.id)];
      const { named } = await shelf.find(name, filling, nameOf('imagedeleting', image.id));
      const left = [...named.values()];
      if (!left.every(mine)) return null;
      for (const old of left) await remove(old);
      if (!(await shelf.create(filling, opened.sizeBytes, [TAG, digestTag(digest)]))) return null;
      await opened.writeTo(await shelf.device(filling), true);
      await shelf.rename(filling, name);
      const cached = touch({ name, sizeBytes: opened.sizeBytes }, digest);
      await shrink();
      return cached;
    },
    async forget(isGone) {
      for (const { name } of idle(await all())) {
        const id = idOf(name);
        if (!name.startsWith('image-') || !(await isGone(id))) continue;
        await alone(id, async () => {
          const lv = (await shelf.find(name)).named.get(name);
          if (lv !== undefined) await remove(lv);
        });
      }
    },
    evictOne,
  };
}

function idOf(name: string): string {
  return name.slice(name.indexOf('-') + 1);
}
