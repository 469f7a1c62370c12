import type { AttachmentId, SnapshotId, VolumeId } from '#schema/ids.ts';
import type { RemovableKind } from '#schema/inventory.ts';

/**
 * How far a difference may be mended without anybody looking at it. `safe`: by `--all`; nothing can be lost by it.
 * `named`: only by its exact id, because a guest or a client will notice. `data`: only by its exact id and with
 * the word that data may go. `none`: it needs a person, and the text says what to do.
 */
export type Care = 'safe' | 'named' | 'data' | 'none';

/** What mends a difference. */
export type Repair =
  /** Operations of a volume that MySQL knows, under its lock; each brings the host to what MySQL says by then. */
  | { readonly do: 'export'; readonly volumeId: VolumeId }
  | { readonly do: 'grow'; readonly volumeId: VolumeId }
  | { readonly do: 'plug'; readonly volumeId: VolumeId; readonly attachmentId: AttachmentId }
  | { readonly do: 'resize'; readonly volumeId: VolumeId; readonly attachmentId: AttachmentId }
  | { readonly do: 'tune'; readonly volumeId: VolumeId; readonly attachmentId: AttachmentId }
  | { readonly do: 'unplug'; readonly volumeId: string; readonly host: string; readonly serverId: string }
  | { readonly do: 'disconnect'; readonly volumeId: string; readonly host: string }
  | { readonly do: 'detach'; readonly volumeId: VolumeId; readonly attachmentId: AttachmentId }
  /** Removes exactly one file or logical volume. */
  | {
      readonly do: 'remove';
      readonly host: string;
      readonly backend: string;
      readonly kind: RemovableKind;
      readonly id: string;
      /** The volume under whose lock it is done, if MySQL knows that. */
      readonly ownerId: string;
    }
  | { readonly do: 'unexport'; readonly host: string; readonly volumeId: string }
  /** Of MySQL's own sums and marks. */
  | { readonly do: 'recount'; readonly pool: string }
  | { readonly do: 'let-go'; readonly volumeId: VolumeId }
  | { readonly do: 'settle'; readonly volumeId: VolumeId };

/** One thing that is not as MySQL says. */
export interface Difference {
  /** `<host>:<kind>:<of what>`: the same as long as it lasts. */
  readonly id: string;
  readonly kind: string;
  /** Where; `mysql` for what MySQL says of itself. */
  readonly host: string;
  readonly volumeId: string | null;
  readonly snapshotId: SnapshotId | null;
  readonly serverId: string | null;
  readonly attachmentId: AttachmentId | null;
  /** What MySQL says, and what there is, in words. */
  readonly wanted: string;
  readonly found: string;
  /** What is known of how it came about. */
  readonly cause: string | null;
  readonly operationId: string | null;
  /** The repair in words. */
  readonly repair: string;
  readonly care: Care;
  readonly action: Repair | null;
}

/** What a comparison says of a difference; the rest follows. */
export interface Finding {
  readonly kind: string;
  /** What it is about, within kind and host. */
  readonly subject: string;
  readonly volumeId?: string;
  readonly snapshotId?: SnapshotId;
  readonly serverId?: string;
  readonly attachmentId?: AttachmentId;
  readonly wanted: string;
  readonly found: string;
  readonly cause?: string;
  readonly repair: string;
  readonly care: Care;
  readonly action?: Repair;
}
