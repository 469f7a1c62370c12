import type { BackupId, EncryptionKeyId, ProjectId, VolumeId } from '#schema/ids.ts';
import type { LuksCipher } from '#schema/luks.ts';
import type { Tx } from '../transaction.ts';

/** What is asked of a new key. */
export interface NewKey {
  readonly id: EncryptionKeyId;
  readonly projectId: ProjectId;
  /** The volume or backup that it is for. */
  readonly opens: VolumeId | BackupId;
  readonly cipher: LuksCipher;
  readonly keyBits: number;
}

/** A key that there is, and what it opens. */
export interface KnownKey {
  readonly id: EncryptionKeyId;
  readonly opens: VolumeId | BackupId;
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
}
