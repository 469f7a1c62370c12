import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import type { KnownKey, Opened } from '#queues/key-manager/key-manager.ts';
import type { Tx } from '#queues/transaction.ts';
import { asId, type EncryptionKeyId, type VolumeId } from '#schema/ids.ts';
import type { VolumeEncryption } from '../types/volume-encryption.ts';
import type { Source } from './source.ts';

/** What has a key. */
interface Owner {
  readonly id: Opened;
  readonly encryption_key_id: EncryptionKeyId | null;
}

/** A key that is to be. */
export interface VolumeKey {
  readonly id: EncryptionKeyId;
  /** Writes it, in the transaction that makes what it opens. */
  readonly write: (tx: Tx) => void;
}

/**
 * What opens a new volume: a key of its own, or that of what it is copied from; null when it is not encrypted.
 * @throws ApiError 400 where a copy would be encrypted and its source is not, or the other way about.
 */
export async function keyFor(
  context: RequestContext,
  volumeId: VolumeId,
  encryption: VolumeEncryption | null,
  source: Source | undefined,
): Promise<VolumeKey | null> {
  const from = source?.key ?? null;
  // An image in clear is encrypted on its way; encrypted data are copied as they are.
  const copied = source !== undefined && (from !== null || source.input.source?.kind !== 'image');
  if (copied && (encryption !== null) !== (from !== null)) {
    throw invalidInput(
      'Invalid volume_type provided (requested type is not compatible; either match source volume, or omit type argument).',
    );
  }
  if (encryption === null) return null;
  if (from !== null) return copyOf(context, from, volumeId);
  const { app, caller } = context;
  const id = asId<EncryptionKeyId>(app.ids.uuid());
  const key = { id, projectId: caller.projectId, opens: volumeId, ...encryption };
  return { id, write: (tx) => app.keys.create(tx, key) };
}

/** The condition that a volume has the key that it had when it was read: whoever copies its data has a copy of that. */
export function hasKey({ encryption_key_id: id }: Pick<Owner, 'encryption_key_id'>) {
  return ['encryption_key_id', id === null ? 'is' : '=', id] as const;
}

/** The key of a volume, a backup or an image. */
export function keyOf({ id, encryption_key_id }: Owner): KnownKey | null {
  return encryption_key_id === null ? null : { id: encryption_key_id, opens: id };
}

/** A key for a copy of an encrypted volume's data; null when the volume is not encrypted. */
export async function keyForCopy(
  context: RequestContext,
  of: Owner,
  copy: Owner['id'],
  projectId = context.caller.projectId,
): Promise<VolumeKey | null> {
  const from = keyOf(of);
  return from === null ? null : copyOf(context, from, copy, projectId);
}

async function copyOf(
  { app, caller }: RequestContext,
  from: KnownKey,
  opens: Owner['id'],
  projectId = caller.projectId,
): Promise<VolumeKey> {
  const id = asId<EncryptionKeyId>(app.ids.uuid());
  return { id, write: await app.keys.copy(from, { id, projectId, opens }) };
}

/** @throws ApiError 400 for an encrypted volume: what was asked would leave data that nobody can read. */
export function refuseEncrypted(volume: Owner, what: string): void {
  if (volume.encryption_key_id === null) return;
  throw badRequest(`Invalid volume: ${volume.id} is encrypted and cannot be ${what}.`);
}
