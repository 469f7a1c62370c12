import type { ComputeInventory } from '#schema/inventory.ts';
import type { Connection } from '#schema/tasks.ts';
import type { DiskSource } from '../libvirt/domain-xml/disk-spec.ts';

/** The CHAP account of this host on one volume's export, in clear. */
export interface Chap {
  readonly username: string;
  readonly secret: string;
}

export interface ConnectRequest {
  readonly volumeId: string;
  readonly connection: Connection;
  /** The IQN to log in as. */
  readonly initiator: string;
  readonly chap: Chap;
  /** Of an encrypted volume, in clear. */
  readonly passphrase?: string;
}

/** How an export becomes something that QEMU can open. Every call ensures: it may come twice, or late. */
export interface Connector {
  /** Makes the volume reachable on this host. */
  connect(request: ConnectRequest): Promise<DiskSource>;
  /**
   * False while a guest must not be asked to let go of the disk, because QEMU could not say goodbye to the target that it
   * comes from. Null: the disk's source is none of ours.
   */
  canLetGo(source: DiskSource | null): Promise<boolean>;
  /**
   * False while a running guest must not be given back a disk that is connected here, because opening it would wait for its target. A
   * target that falls silent just after it was asked is not found out.
   */
  canPlug(volumeId: string, source: DiskSource | null): Promise<boolean>;
  /** Lets go of what `connect` made; call it only when no guest holds the disk. Missing is success. */
  disconnect(volumeId: string, connection: Connection | null): Promise<void>;
  /**
   * As `disconnect`, for a volume whose target has shut this host out: nothing is flushed, and what waits for the target
   * fails. May be called while a guest has the disk; fails when that keeps something from going.
   */
  abandon(volumeId: string, connection: Connection | null): Promise<void>;
  /** The volume has grown: make this host see its new size. */
  grown(volumeId: string): Promise<void>;
  /**
   * After this host was restarted: makes the volume reachable again as `connect` last did, before a domain that has it is
   * started. Null when there is nothing to do, or when the volume is not connected here.
   */
  reconnect(volumeId: string): Promise<DiskSource | null>;
  /** Removes what crashes and earlier lives of this host have left of volumes, except of those that are `used`. */
  tidy(used: ReadonlySet<string>): Promise<void>;
  /** What this host has outside of domains. Changes nothing. */
  inventory(): Promise<Pick<ComputeInventory, 'secrets' | 'connections'>>;
}
