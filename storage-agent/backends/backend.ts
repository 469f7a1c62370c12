/** Space of one backend, in GiB. */
export interface Capacity {
  readonly totalGib: number;
  readonly freeGib: number;
}

/**
 * A place that keeps volumes. Every operation ensures: it may run twice, or after a crash in the middle of an earlier
 * run. Calls for one volume never overlap; calls for different volumes do. Sizes are in bytes.
 *
 * Volume ids are UUIDs; every operation throws TaskError `invalid` for anything else.
 */
export interface Backend {
  /** Space is taken when data is written, not when a volume is made. */
  readonly thin: boolean;
  /** A guest's discard gives space back. */
  readonly discard: boolean;
  /**
   * Makes sure that the volume exists and has at least this size; a new one shows nothing of any other volume.
   * @returns the true size.
   */
  ensure(volumeId: string, sizeBytes: number): Promise<number>;
  /**
   * Grows the volume to at least this size; never shrinks it.
   * @returns the true size.
   * @throws TaskError `not-found`
   */
  grow(volumeId: string, sizeBytes: number): Promise<number>;
  /** Removes the volume so that nobody can read its data later; a volume that is not there is success. */
  absent(volumeId: string): Promise<void>;
  /** Makes the device ready to be opened; false when there is no such volume. */
  activate(volumeId: string): Promise<boolean>;
  /** What a target opens. */
  devicePath(volumeId: string): string;
  capacity(): Promise<Capacity>;
}

export const GIB = 1024 ** 3;
