/** Branded ids: a volume's id can't be handed to a function that wants an attachment's. Append only. */
declare const brand: unique symbol;
type Id<Kind extends string> = string & { readonly [brand]: Kind };

export type VolumeId = Id<'volume'>;
export type AttachmentId = Id<'attachment'>;
export type OperationId = Id<'operation'>;
export type VolumeTypeId = Id<'volume-type'>;
export type QosSpecId = Id<'qos-spec'>;
export type ServerId = Id<'server'>;
export type SnapshotId = Id<'snapshot'>;
export type EvictionId = Id<'eviction'>;
export type BackupId = Id<'backup'>;
export type ImageId = Id<'image'>;
export type FlavorId = Id<'flavor'>;
export type GroupTypeId = Id<'group-type'>;
export type GroupId = Id<'group'>;
export type GroupSnapshotId = Id<'group-snapshot'>;
export type TransferId = Id<'transfer'>;
export type EncryptionKeyId = Id<'encryption-key'>;
export type ProjectId = Id<'project'>;
export type UserId = Id<'user'>;
/** `host@backend#pool`, Cinder's name of one place for volumes. */
export type PoolName = Id<'pool'>;
/** The name an agent runs under (`BLOCKYARD_HOST`); also the end of its queue's name. */
export type HostName = Id<'host'>;

/** Where new ids come from; injected so that tests can name theirs. */
export interface Ids {
  /** A random RFC 9562 version 4 UUID. */
  uuid(): string;
}

/** Marks a checked string as an id of one kind. */
export function asId<T extends string>(value: string): T {
  return value as T;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for the textual form of a UUID with dashes. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}
