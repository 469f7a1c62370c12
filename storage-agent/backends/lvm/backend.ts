import { TaskError } from '#schema/tasks.ts';
import { nameOf, volumeName } from '../../names.ts';
import { type Backend, type Content, type CopyDisk, GIB, type ImageContent, type InUse } from '../backend.ts';
import type { CachedImage, ImageCache } from './image-cache.ts';
import { missing, snapshotName } from './names.ts';
import type { Provisioning } from './provisioning.ts';
import { createRewrite } from './rewrite.ts';
import { assertNotHeld, type Lv, type Shelf } from './shelf.ts';

export interface LvmParts {
  readonly shelf: Shelf;
  readonly provisioning: Provisioning;
  readonly copyDisk: CopyDisk;
  /** Only where a snapshot costs nothing; null: each volume is filled from the image itself. */
  readonly cache: ImageCache | null;
}

/** Logical volumes `volume-<id>` and `_snapshot-<id>`, tagged, in one volume group. */
export function createLvmBackend({ shelf, provisioning, copyDisk, cache }: LvmParts): Backend {
  const { thin } = provisioning;

  const growTo = async (
    lv: Pick<Lv, 'name' | 'sizeBytes'>,
    sizeBytes: number,
    snapshots: readonly Lv[] = [],
  ): Promise<number> => {
    if (lv.sizeBytes >= sizeBytes) return lv.sizeBytes;
    // A thick volume that has snapshots may change its size only while it is inactive.
    const still = !thin && snapshots.length > 0;
    if (still && !(await shelf.deactivate(lv.name)))
      throw new TaskError(
        'refused',
        'a thick volume that has snapshots can grow only while it is not in use',
      );
    try {
      await shelf.extend(lv.name, sizeBytes);
    } finally {
      if (still) await shelf.activate(lv.name);
    }
    // LVM rounds up to whole extents; a GiB is one or many of them with every usual extent size.
    return sizeBytes;
  };
  const growNamed = async (name: string, sizeBytes: number): Promise<number> => {
    const { named, snapshots } = await shelf.find(name);
    const found = named.get(name);
    if (found === undefined) throw missing();
    return growTo(found, sizeBytes, snapshots);
  };

  /** @returns whether it is there now; false: there is no such origin. */
  const cloned = async (origin: string, name: string): Promise<boolean> =>
    (await shelf.snapshot(origin, name, true)) !== 'not-found';

  /** A volume of this size that gets its name when `write` has filled it. */
  const fillWith = async (
    volumeId: string,
    sizeBytes: number,
    write: (path: string) => Promise<void>,
  ): Promise<number> => {
    const filling = nameOf('filling', volumeId);
    if (!(await shelf.create(filling, sizeBytes)))
      throw new Error('a volume that is not whole is in the way');
    await write(await shelf.device(filling));
    await shelf.rename(filling, volumeName(volumeId));
    return sizeBytes;
  };

  /** A snapshot of the volume that nobody writes to, for as long as `work` runs. */
  const still = async <T>(origin: string, id: string, work: (path: string) => Promise<T>): Promise<T> => {
    const copying = nameOf('copying', id);
    const left = (await shelf.find(copying)).named.get(copying);
    if (left !== undefined) await shelf.wipe(left);
    if ((await shelf.snapshot(origin, copying, true)) !== 'made') throw missing();
    try {
      return await work(await shelf.device(copying));
    } finally {
      const done = (await shelf.find(copying)).named.get(copying);
      if (done !== undefined) await shelf.wipe(done);
    }
  };

  /** Null when the name is taken, or the cached image has gone. */
  const fromCache = async (
    volumeId: string,
    sizeBytes: number,
    cached: CachedImage,
  ): Promise<number | null> => {
    if (cached.sizeBytes > sizeBytes)
      throw new TaskError('invalid', 'the image’s disk is larger than the volume');
    const name = volumeName(volumeId);
    if ((await shelf.snapshot(cached.name, name, true)) !== 'made') return null;
    return growTo({ name, sizeBytes: cached.sizeBytes }, sizeBytes);
  };

  const fromImage = async (volumeId: string, sizeBytes: number, image: ImageContent): Promise<number> => {
    const name = volumeName(volumeId);
    const cached = await cache?.find(image);
    const quick = cached == null ? null : await fromCache(volumeId, sizeBytes, cached);
    if (quick !== null) return quick;
    return image.open(sizeBytes, async (opened) => {
      if (thin) await makeRoom(opened.dataBytes);
      const added = await cache?.add(image, opened);
      if (added == null) return fillWith(volumeId, sizeBytes, (path) => opened.writeTo(path, thin));
      if (!(await cloned(added.name, name))) throw missing();
      return growTo({ name, sizeBytes: added.sizeBytes }, sizeBytes);
    });
  };

  /** A pool that runs full hurts everyone whose volume grows in it: cached images go first, then new volumes are refused. */
  const makeRoom = async (bytes: number): Promise<void> => {
    while ((await provisioning.capacity()).freeGib * GIB < bytes) {
      if (cache === null || !(await cache.evictOne()))
        throw new TaskError('refused', 'no space left on this backend');
    }
  };

  const fromLv = async (volumeId: string, sizeBytes: number, source: Lv | undefined, quick: boolean) => {
    if (source === undefined) throw missing();
    const name = volumeName(volumeId);
    if (thin) {
      if (!(await cloned(source.name, name))) throw missing();
      return growTo({ name, sizeBytes: source.sizeBytes }, sizeBytes);
    }
    const copy = (from: string): Promise<number> =>
      fillWith(volumeId, sizeBytes, (to) =>
        copyDisk(from, to, { sizeBytes: source.sizeBytes, zeroed: false }),
      );
    if (!quick) return still(source.name, volumeId, copy);
    if (!source.active) await shelf.activate(source.name);
    return copy(await shelf.device(source.name));
  };

  const filled = async (volumeId: string, sizeBytes: number, content: Content): Promise<number> => {
    const [name, filling] = [volumeName(volumeId), nameOf('filling', volumeId)];
    const sources = sourceOf(content);
    const { named, snapshots } = await shelf.find(name, filling, ...sources);
    const found = named.get(name);
    if (found !== undefined) {
      return growTo(
        found,
        sizeBytes,
        snapshots.filter(({ origin }) => origin === name),
      );
    }
    const left = named.get(filling);
    if (left !== undefined) await shelf.wipe(left);
    if (content.kind === 'image') return fromImage(volumeId, sizeBytes, content.image);
    // What a snapshot shows never changes; a volume may be attached at any time.
    return fromLv(volumeId, sizeBytes, named.get(sources[0] ?? ''), content.kind === 'snapshot');
  };

  /** Two commands, or one, when the image is known. */
  const viaCache = (
    images: ImageCache,
    volumeId: string,
    sizeBytes: number,
    content: Content & { kind: 'image' },
  ): Promise<number> =>
    images.alone(content.image.id, async () => {
      const known = images.known(content.image);
      const quick = known === null ? null : await fromCache(volumeId, sizeBytes, known);
      return quick ?? filled(volumeId, sizeBytes, content);
    });

  /**
   * The new name comes first: a volume whose wipe was cut short is never found as a volume again, and the next run
   * goes on with it.
   */
  const removed = async (name: string, id: string, ...others: readonly string[]): Promise<void> => {
    const leaving = nameOf('deleting', id);
    const { named, snapshots } = await shelf.find(name, leaving, ...others);
    if (!thin && snapshots.some(({ name }) => !others.includes(name)))
      throw new TaskError(
        'refused',
        'the volume has snapshots, or is being copied; it cannot go before them',
      );
    for (const each of others) {
      const left = named.get(each);
      if (left !== undefined) await shelf.wipe(left);
    }
    // All its snapshots, if there were any, have just gone.
    const freed = (lv: Lv): Lv => (thin ? lv : { ...lv, held: false });
    const left = named.get(leaving);
    if (left !== undefined) await shelf.wipe(freed(left));
    const found = named.get(name);
    if (found === undefined) return;
    await shelf.rename(name, leaving);
    await shelf.wipe({ ...freed(found), name: leaving });
  };

  /** By LVM's own word nobody has it open; the new name comes first here too. */
  const removeOne = async (name: string, id: string): Promise<void> => {
    const item = (await shelf.items()).find((each) => each.name === name);
    if (item === undefined) return;
    // For a moment only, perhaps: udev looks at what has got another name.
    if (item.open === true) throw new TaskError('failed', `${name} is open`);
    const leaving = nameOf('deleting', id);
    const { named } = await shelf.find(name, leaving);
    const found = named.get(name);
    if (found === undefined) return;
    assertNotHeld(found);
    // What is left of an earlier removal keeps its name for the next look.
    const renamed = name !== leaving && !named.has(leaving);
    if (renamed) await shelf.rename(name, leaving);
    await shelf.wipe(renamed ? { ...found, name: leaving } : found);
  };

  return {
    thin,
    discard: thin,
    async ensure(volumeId, sizeBytes, content) {
      const name = volumeName(volumeId);
      if (content?.kind === 'image' && cache !== null) return viaCache(cache, volumeId, sizeBytes, content);
      if (content !== undefined) return filled(volumeId, sizeBytes, content);
      return (await shelf.create(name, sizeBytes)) ? sizeBytes : growNamed(name, sizeBytes);
    },
    ...createRewrite({ shelf, thin, copyDisk, makeRoom }),
    grow: async (volumeId, sizeBytes) => growNamed(volumeName(volumeId), sizeBytes),
    absent: async (volumeId) =>
      removed(
        volumeName(volumeId),
        volumeId,
        nameOf('copying', volumeId),
        nameOf('filling', volumeId),
        nameOf('replacing', volumeId),
      ),
    async snapshot(volumeId, snapshotId) {
      const made = await shelf.snapshot(volumeName(volumeId), snapshotName(snapshotId), false);
      if (made === 'not-found') throw missing();
    },
    snapshotAbsent: async (snapshotId) => removed(snapshotName(snapshotId), snapshotId),
    async read(volumeId, inUse: InUse, work) {
      const name = volumeName(volumeId);
      const found = (await shelf.find(name)).named.get(name);
      if (found === undefined) throw missing();
      if (await inUse(volumeId)) return still(name, volumeId, (path) => work(path, found.sizeBytes));
      if (!found.active) await shelf.activate(name);
      return work(await shelf.device(name), found.sizeBytes);
    },
    async readSnapshot(snapshotId, work) {
      const name = snapshotName(snapshotId);
      const found = (await shelf.find(name)).named.get(name);
      if (found === undefined) throw missing();
      if (!found.active) await shelf.activate(name);
      return work(await shelf.device(name), found.sizeBytes);
    },
    ...(cache !== null && { forgetImages: (isGone) => cache.forget(isGone) }),
    activate: async (volumeId) => shelf.ensureActive(volumeName(volumeId)),
    devicePath: (volumeId) => shelf.pathOf(volumeName(volumeId)),
    capacity: () => provisioning.capacity(),
    items: () => shelf.items(),
    remove: async (kind, id) => removeOne(kind === 'snapshot' ? snapshotName(id) : nameOf(kind, id), id),
    async adopt(volumeId, name, sizeBytes) {
      const mine = volumeName(volumeId);
      if ((await shelf.find(mine)).named.get(mine) === undefined) await shelf.take(name, mine, sizeBytes);
      return growNamed(mine, sizeBytes);
    },
    async release(volumeId, name) {
      // Which of them are the volume's data is not decided yet.
      const { named } = await shelf.find(nameOf('replacing', volumeId), nameOf('deleting', volumeId));
      for (const other of named.keys()) throw new TaskError('refused', `${other} lies beside the volume`);
      await shelf.leave(volumeName(volumeId), name);
    },
    async adoptSnapshot(volumeId, snapshotId, name, sizeBytes) {
      const mine = snapshotName(snapshotId);
      if ((await shelf.find(mine)).named.get(mine) === undefined)
        await shelf.take(name, mine, sizeBytes, volumeName(volumeId));
    },
    releaseSnapshot: (snapshotId, name) => shelf.leave(snapshotName(snapshotId), name),
  };
}

/** The name of the logical volume that a new one starts from; none for an image. */
function sourceOf(content: Content): string[] {
  if (content.kind === 'image') return [];
  return [content.kind === 'volume' ? volumeName(content.volumeId) : snapshotName(content.snapshotId)];
}
