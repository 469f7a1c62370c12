import { ProgramError } from '#agent/program-error.ts';
import { type Capacity, GIB } from '../backend.ts';
import type { LvmDoor } from './door.ts';

/** What thick and thin volumes do differently. */
export interface Provisioning {
  /** Thin: snapshots stand on their own and are full volumes. Thick: they need their origin, which they slow down. */
  readonly thin: boolean;
  /** The thin pool that volumes lie in; null for thick ones. */
  readonly pool: string | null;
  /** `lvcreate`'s arguments for a volume of this size. */
  createArgs(sizeBytes: number): string[];
  /** `lvcreate`'s arguments for a snapshot that is active at once, or not. */
  snapshotArgs(ready: boolean): string[];
  /** Makes a volume's data unreadable for whoever gets its blocks next. @param device of `LvmDoor.device` */
  wipe(device: string, deadlineMs: number): Promise<void>;
  capacity(): Promise<Capacity>;
}

/** Whole extents from the group, wiped before they go back. */
export function thick(door: LvmDoor): Provisioning {
  return {
    thin: false,
    pool: null,
    createArgs: (sizeBytes) => ['-L', `${sizeBytes}b`],
    /**
     * Room for a copy of all of the origin, to which LVM reduces what is too much: a smaller snapshot is lost as soon as more than
     * that has been overwritten, in the midst of whatever uses it. (`100%ORIGIN` would take what there is, however little.)
     */
    snapshotArgs: () => ['-s', '-L', '1p'],
    /** Zeroes, by the disk itself where it can (BLKZEROOUT); a mere discard promises no zeroes. */
    wipe: (device, deadlineMs) => door.blkdiscard(device, ['-z'], deadlineMs),
    async capacity() {
      const [row] = await door.report('vgs', ['vg_size', 'vg_free'], [door.group]);
      return { totalGib: number(row?.['vg_size']) / GIB, freeGib: number(row?.['vg_free']) / GIB };
    },
  };
}

/** Blocks from a thin pool that zeroes what it hands out; `capacity` fails for one that does not. */
export function thin(door: LvmDoor, pool: string): Provisioning {
  return {
    thin: true,
    pool,
    createArgs: (sizeBytes) => ['-V', `${sizeBytes}b`, '--thinpool', pool],
    /** LVM marks thin snapshots to be skipped when others are activated, unless told not to. */
    snapshotArgs: (ready) => (ready ? ['-s', '-kn'] : ['-s']),
    /** Gives the blocks back to the disk below; the pool's zeroing is what keeps them from the next owner. */
    async wipe(device, deadlineMs) {
      try {
        await door.blkdiscard(device, [], deadlineMs);
      } catch (error) {
        if (!isUnsupported(error)) throw error;
      }
    },
    async capacity() {
      const fields = ['lv_size', 'data_percent', 'metadata_percent', 'zero'];
      const [row] = await door.report('lvs', fields, ['-S', `lv_name=${pool}`, door.group]);
      if (row === undefined) throw new Error(`thin pool ${door.group}/${pool} does not exist`);
      if (row['zero'] !== 'zero')
        throw new Error(`thin pool ${door.group}/${pool} does not zero new blocks (lvchange --zero y)`);
      // A pool that is out of metadata is as full as one that is out of data.
      const used = Math.max(number(row['data_percent']), number(row['metadata_percent']));
      const totalGib = number(row['lv_size']) / GIB;
      return { totalGib, freeGib: totalGib * (1 - used / 100) };
    },
  };
}

function isUnsupported(error: unknown): boolean {
  return (
    error instanceof ProgramError &&
    error.failure.exitCode === 1 &&
    /BLKDISCARD ioctl failed: Operation not supported/.test(error.failure.stderr)
  );
}

function number(text: string | undefined): number {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new Error('LVM did not report its space (is the group active?)');
  return value;
}
