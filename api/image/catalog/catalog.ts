import type { RequestContext } from '#api/http/context.ts';
import type { Tx } from '#queues/transaction.ts';
import type { EncryptionKeyId, OperationId } from '#schema/ids.ts';

/** What a volume's maker needs to know of an image. */
export interface ImageRecord {
  readonly id: string;
  readonly name: string | null;
  readonly status: string;
  readonly disk_format: string | null;
  readonly container_format: string | null;
  /** Bytes of data; null before there are any. */
  readonly size: number | null;
  readonly virtual_size: number | null;
  /** GiB */
  readonly min_disk: number;
  /** MiB */
  readonly min_ram: number;
  readonly checksum: string | null;
  readonly os_hash_algo: string | null;
  readonly os_hash_value: string | null;
  /** Of the key manager's: opens data that are an encrypted volume's. */
  readonly encryption_key_id: EncryptionKeyId | null;
  readonly properties: Readonly<Record<string, string>>;
}

/** An image as a volume's upload makes it. */
export interface WantedImage {
  readonly name: string;
  readonly disk_format: string;
  readonly container_format: string;
  readonly visibility: 'public' | 'private' | 'shared' | 'community';
  readonly protected: boolean;
  readonly min_disk: number;
  readonly min_ram: number;
  readonly properties: Readonly<Record<string, string>>;
}

/** A record that waits for its data. */
export interface PreparedImage {
  readonly id: string;
  /** Belongs into the transaction that begins the upload. @param key what opens encrypted data; the caller makes it. */
  write(tx: Tx, key: EncryptionKeyId | null): void;
  /** Takes it away again when that transaction failed. */
  discard(): Promise<void>;
  /** Sees to it that the record goes when the upload fails, where the operation's end can't. */
  watch(operation: OperationId): void;
}

/** Where image records are: our own tables, or a Glance. */
export interface ImageCatalog {
  /** @throws ApiError 404 for an image that the caller may not see. */
  find(context: RequestContext, id: string): Promise<ImageRecord>;
  /** Those of this name that the caller may see. */
  named(context: RequestContext, name: string): Promise<readonly ImageRecord[]>;
  /**
   * @param encrypted its data will be an encrypted volume's, as they are.
   * @throws ApiError 400 where images cannot have keys.
   */
  prepare(context: RequestContext, wanted: WantedImage, encrypted: boolean): Promise<PreparedImage>;
}
