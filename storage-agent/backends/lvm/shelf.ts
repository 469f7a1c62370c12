import type { StoredItem } from '#schema/inventory.ts';
import { TaskError } from '#schema/tasks.ts';
import { readName } from '../../names.ts';
import { copyDeadlineMs } from '../deadline.ts';
import { assertFit } from '../fit.ts';
import { mappedId } from './device-id.ts';
import type { LvmDoor } from './door.ts';
import { LvmFailure, type LvmReason } from './failure.ts';
import type { Provisioning } from './provisioning.ts';

/** Marks our volumes: other software (Cinder too) names its own `volume-<id>`. */
const TAG = 'blockyard';

/** A logical volume of ours. */
export interface Lv {
  readonly name: string;
  /** By which device-mapper knows it while it is active. */
  readonly id: string;
  /** Of the disk that it shows. */
  readonly sizeBytes: number;
  readonly active: boolean;
  /** What it is a snapshot of; null when it stands alone. */
  readonly origin: string | null;
  /** Thick snapshots, whoever's they are, need it: LVM would remove them with it. */
  readonly held: boolean;
  /** The thin pool that it lies in; null for a thick one. */
  readonly pool: string | null;
  readonly tags: readonly string[];
}

/** The logical volumes of one group that carry our tag, and what is done to any of them. */
export interface Shelf {
  /** Those that LVM selects (lvs -S), the oldest first. @throws TaskError `refused` when one that is not ours has such a name. */
  select(selection: string): Promise<Lv[]>;
  /** Those of these names that exist, and the snapshots of all of them. */
  find(...names: readonly string[]): Promise<Found>;
  /** @returns false when the name is taken already. @throws TaskError `refused` when there is no room. */
  create(name: string, sizeBytes: number, tags?: readonly string[]): Promise<boolean>;
  /**
   * @param ready to be opened now; otherwise it waits for `activate`.
   * @returns whether it was made; otherwise what stood in the way.
   */
  snapshot(origin: string, name: string, ready: boolean): Promise<'made' | 'exists' | 'not-found'>;
  rename(from: string, to: string): Promise<void>;
  /** Also one that is marked to be skipped at boot. */
  activate(name: string): Promise<void>;
  /**
   * Activates a volume unless it is active; LVM is not asked about one that this agent has made or activated, as long as its
   * device is there.
   * @returns false when there is no such volume. @throws TaskError `failed` as `device`
   */
  ensureActive(name: string): Promise<boolean>;
  /** @returns false when it is open. */
  deactivate(name: string): Promise<boolean>;
  /** @throws TaskError `refused` when there is no room. */
  extend(name: string, sizeBytes: number): Promise<void>;
  /**
   * Makes its data unreadable and removes it; it must have a name by which nobody uses it.
   * @throws TaskError `refused` as `assertNotHeld`, `failed` as `device`
   */
  wipe(lv: Lv): Promise<void>;
  pathOf(name: string): string;
  /** As `LvmDoor.device`: for all that opens a volume by itself. */
  device(name: string): Promise<string>;
  /** Every logical volume that could be one of this backend's, ours or not. */
  items(): Promise<StoredItem[]>;
  /**
   * Makes what has this name ours, by another.
   * @param origin it must be a snapshot of this one. @throws TaskError `not-found`, `refused`
   */
  take(from: string, to: string, sizeBytes: number, origin?: string): Promise<void>;
  /** Gives it another name and makes it ours no longer, unless that name is one of ours. @throws TaskError `not-found` unless it has one of the two */
  leave(from: string, to: string): Promise<void>;
}

interface Found {
  readonly named: ReadonlyMap<string, Lv>;
  readonly snapshots: readonly Lv[];
}

const ITEM_FIELDS = ['lv_name', 'lv_size', 'lv_tags', 'lv_attr', 'origin', 'origin_size', 'pool_lv'];
const FIELDS = [...ITEM_FIELDS, 'lv_active', 'vg_uuid', 'lv_uuid'];

export function createShelf(door: LvmDoor, provisioning: Provisioning): Shelf {
  const full = (name: string): string => `${door.group}/${name}`;
  const tagged = (tags: readonly string[]): string[] => [TAG, ...tags].flatMap((tag) => ['--addtag', tag]);

  const rows = async (selection: string) => {
    const found = await door.report('lvs', FIELDS, ['-O', 'lv_time', '-S', selection, door.group]);
    return found.map((row) => ({
      name: row['lv_name'] ?? '',
      id: mappedId(row['vg_uuid'] ?? '', row['lv_uuid'] ?? ''),
      sizeBytes: sizeOf(row),
      active: row['lv_active'] === 'active',
      origin: row['origin'] || null,
      held: row['lv_attr']?.[0]?.toLowerCase() === 'o',
      pool: row['pool_lv'] || null,
      tags: (row['lv_tags'] ?? '').split(','),
    }));
  };
  const ours = (lv: Lv): Lv => {
    if (!lv.tags.includes(TAG))
      throw new TaskError('refused', 'a logical volume that is not ours stands in the volume’s place');
    return lv;
  };
  const activate = (name: string): Promise<void> => door.change('lvchange', ['-ay', '-K', full(name)]);

  /** The devices of volumes that are known to be ours, by name. */
  const devices = new Map<string, string>();
  const remember = async (name: string): Promise<void> => {
    const id = await door.idOf(name);
    if (id === null) devices.delete(name);
    else devices.set(name, id);
  };
  const find = async (...names: readonly string[]): Promise<Found> => {
    const any = names.flatMap((name) => [`lv_name=${name}`, `origin=${name}`]).join('||');
    const all = await rows(any);
    return {
      named: new Map(all.filter(({ name }) => names.includes(name)).map((lv) => [lv.name, ours(lv)])),
      snapshots: all.filter(({ origin }) => origin !== null && names.includes(origin)),
    };
  };

  return {
    select: async (selection) => (await rows(selection)).map(ours),
    find,
    async create(name, sizeBytes, tags = []) {
      // Old signatures are not asked about: blocks come zeroed, and LVM would wait for an answer.
      const args = ['-y', '-Wn', '-n', name, ...tagged(tags), ...provisioning.createArgs(sizeBytes)];
      const made = await unless('exists', () =>
        spaceOrRefusal(() => door.change('lvcreate', [...args, door.group])),
      );
      if (made) await remember(name);
      return made;
    },
    async snapshot(origin, name, ready) {
      const args = ['-y', '-n', name, ...tagged([]), ...provisioning.snapshotArgs(ready), full(origin)];
      try {
        await spaceOrRefusal(() => door.change('lvcreate', args));
        if (ready) await remember(name);
        return 'made';
      } catch (error) {
        if (error instanceof LvmFailure && error.reason !== 'no-space' && error.reason !== 'in-use')
          return error.reason;
        throw error;
      }
    },
    async rename(from, to) {
      await door.change('lvrename', [door.group, from, to]);
      const id = devices.get(from);
      devices.delete(from);
      if (id !== undefined) devices.set(to, id);
    },
    activate,
    async ensureActive(name) {
      const known = devices.get(name);
      if (known !== undefined && (await door.idOf(name)) === known) return true;
      const found = (await find(name)).named.get(name);
      if (found === undefined) return false;
      if (!found.active) await activate(name);
      await door.device(name, found.id);
      await remember(name);
      return true;
    },
    deactivate: (name) => unless('in-use', () => door.change('lvchange', ['-an', full(name)])),
    extend: (name, sizeBytes) =>
      spaceOrRefusal(() => door.change('lvextend', ['-y', '-L', `${sizeBytes}b`, full(name)])),
    async wipe(lv) {
      assertNotHeld(lv);
      const { name, id, sizeBytes, active, origin } = lv;
      // What a thick snapshot has kept of its origin can be reached, and wiped, only when it is a volume of its own.
      const split = origin !== null && !provisioning.thin;
      if (split) await door.change('lvconvert', ['-y', '--splitsnapshot', full(name)]);
      if (!active || split) await activate(name);
      await provisioning.wipe(await door.device(name, id), copyDeadlineMs(sizeBytes));
      await unless('not-found', () => door.change('lvremove', ['-y', full(name)]));
      devices.delete(name);
    },
    pathOf: (name) => door.pathOf(name),
    device: (name) => door.device(name),
    async items() {
      const rows = await door.report('lvs', ITEM_FIELDS, ['-O', 'lv_time', door.group]);
      return rows.filter((row) => (row['pool_lv'] || null) === provisioning.pool).map(itemOf);
    },
    async take(from, to, sizeBytes, origin) {
      assertLvName(from);
      const item = (await this.items()).find(({ name }) => name === from);
      if (origin !== undefined && item !== undefined) assertSnapshot(item, origin, provisioning.thin);
      const snapshot = !provisioning.thin && origin !== undefined;
      assertFit(from, item === undefined || !snapshot ? item : { ...item, unfit: null }, sizeBytes);
      // The mark first: one that has our name and no mark would be in our own way.
      await door.change('lvchange', ['--addtag', TAG, full(from)]);
      await door.change('lvrename', [door.group, from, to]);
    },
    async leave(from, to) {
      assertLvName(to);
      const found = await rows(`lv_name=${from}||lv_name=${to}`);
      const taken = found.find(({ name }) => name === to);
      const lv = found.find(({ name }) => name === from);
      if (lv !== undefined) {
        if (taken !== undefined) throw new TaskError('refused', `the name ${to} is taken`);
        ours(lv);
        if ((await this.items()).some(({ name, open }) => name === from && open === true))
          throw new TaskError('refused', `${from} is open`);
        await door.change('lvrename', [door.group, from, to]);
      }
      if (lv === undefined && taken === undefined)
        throw new TaskError('not-found', `there is neither ${from} nor ${to}`);
      // A crash may have come between; and what has one of our names keeps the mark.
      if ((lv ?? taken)?.tags.includes(TAG) === true && readName(to) === null)
        await door.change('lvchange', ['--deltag', TAG, full(to)]);
    },
  };
}

/** @throws TaskError `refused` while thick snapshots of it exist. */
export function assertNotHeld({ name, held }: Lv): void {
  if (held) throw new TaskError('refused', `${name} has snapshots, which would go with it`);
}

/** What LVM's attributes (lvs(8), "lv_attr") tell of a logical volume's use. */
function itemOf(row: Readonly<Record<string, string>>): StoredItem {
  const name = row['lv_name'] ?? '';
  const attributes = row['lv_attr'] ?? '';
  const tagged = (row['lv_tags'] ?? '').split(',').includes(TAG);
  const ours = tagged ? readName(name) : null;
  return {
    kind: ours?.kind ?? 'foreign',
    name,
    id: ours?.id ?? null,
    sizeBytes: sizeOf(row),
    origin: row['origin'] || null,
    open: attributes[4] === 'X' ? null : attributes[5] === 'o',
    unfit: unfitness(attributes),
  };
}

/** A thick snapshot's own size is the room for what changes; it shows its origin's, as that was (lvs(8), "origin_size"). */
function sizeOf(row: Readonly<Record<string, string>>): number {
  return Number(row['lv_attr']?.startsWith('s') === true ? row['origin_size'] : row['lv_size']);
}

/** A thin snapshot outlives its origin; a thick one never does. */
function assertSnapshot(item: StoredItem, origin: string, thin: boolean): void {
  if (item.origin === origin || (thin && item.origin === null)) return;
  throw new TaskError('refused', `${item.name} is no snapshot of ${origin}`);
}

/** lvm(8), VALID NAMES: what could pass for an option, or for another group's volume, is no name. */
function assertLvName(name: string): void {
  if (!/^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}$/.test(name) || name === '.' || name === '..')
    throw new TaskError('invalid', 'that is no name of a logical volume');
}

/** Plain and thin volumes can be exported; what LVM itself is made of cannot, nor what it holds or has lost. */
function unfitness(attributes: string): string | null {
  const [type = '', permission = '', , , state = ''] = attributes;
  if (type === 'o') return 'it has snapshots';
  if (!'-V'.includes(type)) return type === 's' ? 'a snapshot' : 'not a plain logical volume';
  if (permission !== 'w') return 'not writable';
  // `X`: LVM was not told, where there is no device-mapper.
  if (!'-aX'.includes(state)) return 'suspended or invalid';
  return attributes[8] === 'p' ? 'a physical volume is missing' : null;
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
