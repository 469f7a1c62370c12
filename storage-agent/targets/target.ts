import type { ExportItem } from '#schema/inventory.ts';
import type { Connection } from '#schema/tasks.ts';

/** One initiator that may log in; the secret is in clear and must reach neither argv, logs nor errors. */
export interface ClearAcl {
  readonly initiator: string;
  readonly username: string;
  readonly secret: string;
}

/** What is exported. */
export interface Device {
  readonly path: string;
  /** The guest's discard reaches it. */
  readonly discard: boolean;
}

/** An export as it stands. */
export interface ExportState {
  readonly volumeId: string;
  /** Initiators that may log in. */
  readonly initiators: readonly string[];
  /** Sessions that are alive, or still finishing their last commands. */
  readonly sessions: number;
}

/**
 * Offers volumes over iSCSI. Exports of other owners on the same host are never looked into or changed.
 * Calls for one volume never overlap; calls for different volumes do.
 */
export interface Target {
  /**
   * Makes the export exist with exactly these ACLs (at least one). An initiator that is not among them is cut off: its sessions
   * are gone when this resolves. The guest-visible identity depends on the volume id only, so that it survives a
   * restart of the target.
   * @param number unique among all volumes, and the volume's for life.
   * @throws TaskError `invalid` for names and secrets that the target cannot take; `refused` when it would harm others.
   */
  ensure(volumeId: string, device: Device, acls: readonly ClearAcl[], number: number): Promise<Connection>;
  /**
   * Cuts off everybody and removes the export; one that is not there is success.
   * @param number null when it is not known.
   */
  absent(volumeId: string, number: number | null): Promise<void>;
  /** Shows a volume's new size to those who are logged in; does nothing when it is not exported. */
  grown(volumeId: string, device: Device, sizeBytes: number): Promise<void>;
  find(volumeId: string): Promise<ExportState | null>;
  /** Read back from the target: what an initiator that was shut out still has of the export, in words; null for nothing. */
  lingering(volumeId: string, initiator: string): Promise<string | null>;
  list(): Promise<ExportState[]>;
  /** Every export of ours, leftovers included, as far as the target tells; null for one that exports nothing. */
  inventory(): Promise<ExportItem[] | null>;
}

/** A target that is ready, and what tells that it has started anew and so lost its exports. */
export interface OpenTarget {
  readonly target: Target;
  /** Changes when exports were lost: the daemon has started anew, the kernel was booted, somebody removed them. */
  incarnation(): Promise<string>;
  /** Calls back soon after that. */
  onRestart(callback: () => void): void;
  close(): void;
}
