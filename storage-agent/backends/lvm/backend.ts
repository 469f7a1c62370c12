import { TaskError } from '#schema/tasks.ts';
import { volumeName } from '../../names.ts';
import type { Backend } from '../backend.ts';
import type { LvmDoor } from './door.ts';
import { LvmFailure, type LvmReason } from './failure.ts';
import type { Provisioning } from './provisioning.ts';

/** Marks our volumes: other software (Cinder too) names its own `volume-<id>`. */
const TAG = 'blockyard';

interface Found {
  readonly sizeBytes: number;
  readonly active: boolean;
}

/** Logical volumes `volume-<id>`, tagged, in one volume group. */
export function createLvmBackend(door: LvmDoor, provisioning: Provisioning): Backend {
  /** Those of these names that exist. */
  const lookFor = async (...names: readonly string[]): Promise<Map<string, Found>> => {
    const fields = ['lv_name', 'lv_size', 'lv_tags', 'lv_active'];
    const selection = names.map((name) => `lv_name=${name}`).join('||');
    const rows = await door.report('lvs', fields, ['-S', selection, door.group]);
    return new Map(
      rows.map((row) => {
        if (!(row['lv_tags'] ?? '').split(',').includes(TAG))
          throw new TaskError('refused', 'a logical volume that is not ours stands in the volume’s place');
        return [
          row['lv_name'] ?? '',
          { sizeBytes: Number(row['lv_size']), active: row['lv_active'] === 'active' },
        ];
      }),
    );
  };
  const look = async (name: string): Promise<Found | null> => (await lookFor(name)).get(name) ?? null;

  const grow = async (name: string, sizeBytes: number): Promise<number> => {
    const found = await look(name);
    if (found === null) throw new TaskError('not-found', 'the volume does not exist on this backend');
    if (found.sizeBytes >= sizeBytes) return found.sizeBytes;
    await spaceOrRefusal(() =>
      door.change('lvextend', ['-y', '-L', `${sizeBytes}b`, `${door.group}/${name}`]),
    );
    return (await look(name))?.sizeBytes ?? sizeBytes;
  };

  /** `-K`: also one that is marked to be skipped at boot. */
  const activate = (name: string): Promise<void> =>
    door.change('lvchange', ['-ay', '-K', `${door.group}/${name}`]);

  const remove = async (name: string, { sizeBytes, active }: Found): Promise<void> => {
    if (!active) await activate(name);
    await provisioning.wipe(name, sizeBytes);
    await unless('not-found', () => door.change('lvremove', ['-y', `${door.group}/${name}`]));
  };

  return {
    thin: provisioning.thin,
    discard: provisioning.thin,
    async ensure(volumeId, sizeBytes) {
      const name = volumeName(volumeId);
      // Old signatures are not asked about: blocks come zeroed, and LVM would wait for an answer.
      const args = [
        '-y',
        '-Wn',
        '-n',
        name,
        '--addtag',
        TAG,
        ...provisioning.createArgs(sizeBytes),
        door.group,
      ];
      const made = await unless('exists', () => spaceOrRefusal(() => door.change('lvcreate', args)));
      // LVM rounds up to whole extents; a GiB is one or many of them with every usual extent size.
      return made ? sizeBytes : grow(name, sizeBytes);
    },
    grow: (volumeId, sizeBytes) => named(volumeId, (name) => grow(name, sizeBytes)),
    /**
     * The new name comes first: a volume whose wipe was cut short is never found as a volume again, and the next run
     * goes on with it.
     */
    async absent(volumeId) {
      const name = volumeName(volumeId);
      const leaving = name.replace(/^volume-/, 'deleting-');
      const all = await lookFor(name, leaving);
      const left = all.get(leaving);
      if (left !== undefined) await remove(leaving, left);
      const found = all.get(name);
      if (found === undefined) return;
      await door.change('lvrename', [door.group, name, leaving]);
      await remove(leaving, found);
    },
    activate: (volumeId) =>
      named(volumeId, async (name) => {
        const found = await look(name);
        if (found !== null && !found.active) await activate(name);
        return found !== null;
      }),
    devicePath: (volumeId) => door.pathOf(volumeName(volumeId)),
    capacity: () => provisioning.capacity(),
  };
}

async function named<T>(volumeId: string, work: (name: string) => Promise<T>): Promise<T> {
  return work(volumeName(volumeId));
}

/** @returns false when LVM answered with `reason`. */
async function unless(reason: LvmReason, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof LvmFailure && error.reason === reason) return false;
    throw error;
  }
}

async function spaceOrRefusal(work: () => Promise<void>): Promise<void> {
  if (!(await unless('no-space', work))) throw new TaskError('refused', 'no space left on this backend');
}
