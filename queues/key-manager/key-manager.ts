import type { BackupId, EncryptionKeyId, ImageId, ProjectId, VolumeId } from '#schema/ids.ts';
import type { LuksCipher } from '#schema/luks.ts';
import type { Tx } from '../transaction.ts';

/** The volume, backup or image whose data a key opens: nothing else can be opened with it. */
export type Opened = VolumeId | BackupId | ImageId;

/** What is asked of a new key. */
export interface NewKey {
  readonly id: EncryptionKeyId;
  readonly projectId: ProjectId;
  readonly opens: Opened;
  readonly cipher: LuksCipher;
  readonly keyBits: number;
}

/** A key that there is, and what it opens. */
export interface KnownKey {
  readonly id: EncryptionKeyId;
  readonly opens: Opened;
}

/**
 * Keeps what opens encrypted volumes. A key is for one volume: its copies and backups have the same passphrase in keys of their own,
 * so that each goes with what it opens.
 */
export interface KeyManager {
  /** A new random key, in the transaction that makes its volume. */
  create(tx: Tx, key: NewKey): void;
  /**
   * The passphrase of a volume for a copy of its data. @returns what writes it, in the transaction that makes the copy.
   * @throws Error when the key is gone, or cannot be opened.
   */
  copy(from: KnownKey, to: Omit<NewKey, 'cipher' | 'keyBits'>): Promise<(tx: Tx) => void>;
  /** How the data that it opens are encrypted. @throws Error when it is gone. */
  describe(id: EncryptionKeyId): Promise<Pick<NewKey, 'cipher' | 'keyBits'>>;
  /** Whether both are the same passphrase. @throws Error when one is gone, or cannot be opened. */
  same(one: KnownKey, other: KnownKey): Promise<boolean>;
  /** Gives a key to another project, in the transaction that gives it what the key opens. @throws LostRow in the transaction when it is gone. */
  hand(tx: Tx, id: EncryptionKeyId, to: ProjectId): void;
}
