import { reach } from '#queues/stopping-points.ts';
import { TaskError } from '#schema/tasks.ts';
import { nameOf, volumeName } from '../../names.ts';
import type { Backend, CopyDisk, NewContent } from '../backend.ts';
import { missing, snapshotName } from './names.ts';
import type { Shelf } from './shelf.ts';

interface Parts {
  readonly shelf: Shelf;
  readonly thin: boolean;
  readonly copyDisk: CopyDisk;
  /** @throws TaskError `refused` when a thin pool has no room for so many bytes. */
  readonly makeRoom: (bytes: number) => Promise<void>;
}

/**
 * The new data are made whole under a name of their own, `replacing-<id>`, which then takes the volume's; what the volume had is
 * then `deleting-<id>`, for a task of its own. A thick volume that has snapshots can't give its name away, for it is what they need: over it the data are copied,
 * and the snapshots keep what was there; then it is the copy that is left for that task. At no moment does LVM hold neither the old data nor the new.
 */
export function createRewrite({
  shelf,
  thin,
  copyDisk,
  makeRoom,
}: Parts): Pick<Backend, 'rewrite' | 'stage' | 'unstage' | 'replace'> {
  const make = async (filling: string, to: string, sizeBytes: number, content: NewContent): Promise<void> => {
    if (content.kind === 'snapshot') {
      if ((await shelf.snapshot(snapshotName(content.snapshotId), filling, true)) !== 'made') throw missing();
      const made = (await shelf.find(filling)).named.get(filling);
      if (made !== undefined && made.sizeBytes < sizeBytes) await shelf.extend(filling, sizeBytes);
    } else {
      await content.image.open(sizeBytes, async (opened) => {
        if (thin) await makeRoom(opened.dataBytes);
        if (!(await shelf.create(filling, sizeBytes)))
          throw new Error('a volume that is not whole is in the way');
        await opened.writeTo(await shelf.device(filling), thin);
      });
    }
    await reach('copy.whole');
    await shelf.rename(filling, to);
  };
  const copyOver = async (from: string, to: string, sizeBytes: number): Promise<void> => {
    if (!(await shelf.ensureActive(from)) || !(await shelf.ensureActive(to))) throw missing();
    await copyDisk(await shelf.device(from), await shelf.device(to), { sizeBytes, zeroed: false });
  };

  const swap = async (name: string, leaving: string, ready: string): Promise<void> => {
    await shelf.rename(name, leaving);
    await reach('replace.swapping');
    await shelf.rename(ready, name);
  };
  const wiped = async (...names: readonly string[]): Promise<void> => {
    const { named } = await shelf.find(...names);
    for (const lv of named.values()) await shelf.wipe(lv);
  };

  const rewrite: Backend['rewrite'] = async (volumeId, sizeBytes, content) => {
    const name = volumeName(volumeId);
    const filling = nameOf('filling', volumeId);
    const ready = nameOf('replacing', volumeId);
    const leaving = nameOf('deleting', volumeId);
    const { named, snapshots } = await shelf.find(name, filling, ready, leaving);
    const cut = !named.has(name);
    if (cut) {
      if (!named.has(ready)) throw missing();
      // It was cut short between the two names. Whose data they are nobody knows any more, so it begins again.
      await shelf.rename(ready, name);
    }
    for (const left of cut ? [filling, leaving] : [filling, leaving, ready]) {
      const lv = named.get(left);
      if (lv !== undefined) await shelf.wipe(lv);
    }
    const held = !thin && snapshots.some(({ origin }) => origin === name);
    if (held && content.kind === 'snapshot')
      return copyOver(snapshotName(content.snapshotId), name, sizeBytes);
    await make(filling, ready, sizeBytes, content);
    if (!held) return swap(name, leaving, ready);
    await copyOver(ready, name, sizeBytes);
    await shelf.rename(ready, leaving);
  };

  return {
    rewrite,
    async stage(volumeId, sizeBytes, image) {
      const [name, filling] = [volumeName(volumeId), nameOf('filling', volumeId)];
      const ready = nameOf('replacing', volumeId);
      const leaving = nameOf('deleting', volumeId);
      const { named, snapshots } = await shelf.find(name, filling, ready, leaving);
      if (!named.has(name)) throw missing();
      if (!thin && snapshots.some(({ origin }) => origin === name))
        throw new TaskError('refused', 'the volume has snapshots, which need its data');
      // What an earlier removal has left would be in the way later, when there is no way back any more.
      for (const left of [filling, ready, leaving]) {
        const lv = named.get(left);
        if (lv !== undefined) await shelf.wipe(lv);
      }
      await make(filling, ready, sizeBytes, { kind: 'image', image });
    },
    unstage: (volumeId) => wiped(nameOf('filling', volumeId), nameOf('replacing', volumeId)),
    async replace(volumeId) {
      const [name, ready] = [volumeName(volumeId), nameOf('replacing', volumeId)];
      const leaving = nameOf('deleting', volumeId);
      const { named } = await shelf.find(name, ready, leaving);
      if (!named.has(name) && !named.has(ready)) throw missing();
      if (named.has(name) && named.has(ready)) {
        // What an earlier removal has left is in the way.
        const left = named.get(leaving);
        if (left !== undefined) await shelf.wipe(left);
        await swap(name, leaving, ready);
      } else if (named.has(ready)) await shelf.rename(ready, name);
    },
  };
}
