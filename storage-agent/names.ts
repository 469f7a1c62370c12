import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';

/**
 * What a piece of storage is, as the first part of its name on disk: a volume, one that is not whole yet, a snapshot, the
 * cached data of an image, what stands still while it is copied, what is being wiped, and what is whole and takes a volume's
 * place. Images have kinds of their own for what is not whole: users choose images' ids, and could choose a volume's.
 */
export type Kind =
  | 'volume'
  | 'filling'
  | 'snapshot'
  | 'image'
  | 'imagefilling'
  | 'imagedeleting'
  | 'copying'
  | 'deleting'
  | 'replacing';

/**
 * `<kind>-<id>`.
 * @throws TaskError `invalid` unless the id is a UUID, so that no id can leave the backend's own folder or group.
 */
export function nameOf(kind: Kind, id: string): string {
  if (!isUuid(id)) throw new TaskError('invalid', `the id of a ${WHAT[kind] ?? kind} must be a UUID`);
  return `${kind}-${id.toLowerCase()}`;
}

const WHAT: Partial<Record<Kind, string>> = {
  filling: 'volume',
  copying: 'volume',
  deleting: 'volume',
  replacing: 'volume',
};

/** The volume's name on disk and in target names, as Cinder has it: `volume-<id>`. @throws as `nameOf` */
export function volumeName(volumeId: string): string {
  return nameOf('volume', volumeId);
}

const NAME = /^volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The volume id in such a name, or null for every other name. */
export function volumeIdOf(name: string): string | null {
  return NAME.exec(name)?.[1] ?? null;
}

const ANY = /^_?([a-z]+)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const KINDS = Object.keys({
  volume: 0,
  filling: 0,
  snapshot: 0,
  image: 0,
  imagefilling: 0,
  imagedeleting: 0,
  copying: 0,
  deleting: 0,
  replacing: 0,
} satisfies Record<Kind, 0>);

/** What a name of ours stands for (LVM's `_snapshot-…` too), or null for every other name. */
export function readName(name: string): { readonly kind: Kind; readonly id: string } | null {
  const [, kind, id] = ANY.exec(name) ?? [];
  if (kind === undefined || id === undefined || !KINDS.includes(kind)) return null;
  if (name.startsWith('_') && kind !== 'snapshot') return null;
  return { kind: kind as Kind, id };
}
