import type { RemovableKind, StoredItem } from '#schema/inventory.ts';

/** Space of one backend, in GiB. */
export interface Capacity {
  readonly totalGib: number;
  readonly freeGib: number;
}

/** Says whether somebody may write to a volume at this moment: it is exported. */
export type InUse = (volumeId: string) => Promise<boolean>;

/** What a new volume holds at first. */
export type Content =
  | { readonly kind: 'volume'; readonly volumeId: string; readonly inUse: InUse }
  | { readonly kind: 'snapshot'; readonly snapshotId: string }
  | { readonly kind: 'image'; readonly image: ImageContent };

/** What takes the place of a volume's data. */
export type NewContent = Extract<Content, { kind: 'snapshot' | 'image' }>;

/** An image's data, wherever they come from; or any other disk's that is to be copied. */
export interface ImageContent {
  readonly id: string;
  /** Tells the data from any others that ever had this image's id; null when nobody knows. */
  readonly digest: string | null;
  /**
   * Makes the data ready, checked as far as can be before they are written; what it keeps for that is gone when `work` ends.
   * @throws TaskError `invalid` when they must not be used, or do not fit into `atMostBytes`.
   */
  open<T>(atMostBytes: number, work: (opened: OpenedImage) => Promise<T>): Promise<T>;
}

export interface OpenedImage {
  /** Bytes of the disk inside. */
  readonly sizeBytes: number;
  /** What it takes on a backend that stores no zeroes; at most. */
  readonly dataBytes: number;
  /**
   * Writes the disk to a device or file, durably, once.
   * @param zeroed it shows zeroes everywhere already: they need not be written.
   */
  writeTo(path: string, zeroed: boolean): Promise<void>;
}

/** Writes one disk's data over another's beginning, durably. */
export type CopyDisk = (
  from: string,
  to: string,
  options: { readonly sizeBytes: number; readonly zeroed: boolean },
) => Promise<void>;

/**
 * A place that keeps volumes. Every operation ensures: it may run twice, or after a crash in the middle of an earlier
 * run. Calls for one volume never overlap; calls for different volumes do. Sizes are in bytes.
 *
 * Ids are UUIDs; every operation throws TaskError `invalid` for anything else.
 */
export interface Backend {
  /** Space is taken when data is written, not when a volume is made. */
  readonly thin: boolean;
  /** A guest's discard gives space back. */
  readonly discard: boolean;
  /** Claims to have every volume, and has none. */
  readonly keepsNothing?: true;
  /**
   * Makes sure that the volume exists and has at least this size; a new one shows nothing of any other volume but what its content
   * says. Until it is whole it is not found as a volume, and one that exists is not filled again.
   * @returns the true size.
   * @throws TaskError `not-found` when there is no such source.
   */
  ensure(volumeId: string, sizeBytes: number, content?: Content): Promise<number>;
  /**
   * Gives the volume other data, and zeroes after them. It keeps what it has until they are all there; where thick snapshots hold
   * on to it they are written over it, from a copy that is whole. A run that was cut short is done again. What is to be wiped then stays
   * as `deleting`, where the backend keeps any of it.
   * @throws TaskError `not-found` when there is no such volume or source.
   */
  rewrite(volumeId: string, sizeBytes: number, content: NewContent): Promise<void>;
  /**
   * Makes new data for the volume beside it, whole and durable; the volume stays as it is. What an earlier run has made is made anew.
   * @throws TaskError `not-found` when there is no such volume; `refused` where thick snapshots would keep it from being replaced.
   */
  stage(volumeId: string, sizeBytes: number, content: ImageContent): Promise<void>;
  /** Removes what lies beside the volume for it, whole or not; missing is success. */
  unstage(volumeId: string): Promise<void>;
  /**
   * Gives what was staged the volume's name; what had it stays as `deleting`, where the backend does not replace it by the same rename. A
   * run that was cut short goes on. With nothing staged it has been done. @throws TaskError `not-found` when there is neither.
   */
  replace(volumeId: string): Promise<void>;
  /**
   * Grows the volume to at least this size; never shrinks it.
   * @returns the true size.
   * @throws TaskError `not-found`; `refused` where its snapshots forbid it now.
   */
  grow(volumeId: string, sizeBytes: number): Promise<number>;
  /**
   * Removes the volume so that nobody can read its data later; a volume that is not there is success.
   * @throws TaskError `refused` while snapshots that need its data exist.
   */
  absent(volumeId: string): Promise<void>;
  /** The volume as it is at one moment; a snapshot that exists is left alone. @throws TaskError `not-found` */
  snapshot(volumeId: string, snapshotId: string, inUse: InUse): Promise<void>;
  /** Removes a snapshot as `absent` does a volume. */
  snapshotAbsent(snapshotId: string): Promise<void>;
  /**
   * Shows `work` a device or file with the volume's data as they are at one moment, and their size.
   * @throws TaskError `not-found`
   */
  read<T>(volumeId: string, inUse: InUse, work: (path: string, sizeBytes: number) => Promise<T>): Promise<T>;
  /** As `read`, for a snapshot. @throws TaskError `not-found` */
  readSnapshot<T>(snapshotId: string, work: (path: string, sizeBytes: number) => Promise<T>): Promise<T>;
  /** Lets go of its copies of images of which `isGone` is true; a backend without this keeps none. */
  forgetImages?(isGone: (imageId: string) => Promise<boolean>): Promise<void>;
  /** Makes the device ready to be opened; false when there is no such volume. */
  activate(volumeId: string): Promise<boolean>;
  /** What a target opens. */
  devicePath(volumeId: string): string;
  capacity(): Promise<Capacity>;
  /** All that lies here, ours or not, whatever made it; null for a backend that keeps nothing. Changes nothing. */
  items(): Promise<StoredItem[] | null>;
  /** Removes exactly this piece, as `absent` would; missing is success. @throws TaskError while it is open */
  remove(kind: RemovableKind, id: string): Promise<void>;
  /**
   * Gives what lies here under this name the volume's, and this size where it is less than a GiB smaller. When the volume is there
   * already, the name is not looked at.
   * @returns the true size.
   * @throws TaskError `not-found`; `refused` for what is open, no plain volume, or of another size.
   */
  adopt(volumeId: string, name: string, sizeBytes: number): Promise<number>;
  /**
   * Gives the volume this name, by which nobody takes it for ours.
   * @throws TaskError `not-found` unless it has its own name or this one already; `refused` also while other data that may be its
   * lie beside it.
   */
  release(volumeId: string, name: string): Promise<void>;
  /** As `adopt`, for a snapshot of this volume. */
  adoptSnapshot(volumeId: string, snapshotId: string, name: string, sizeBytes: number): Promise<void>;
  /** As `release`. */
  releaseSnapshot(snapshotId: string, name: string): Promise<void>;
}

export const GIB = 1024 ** 3;
