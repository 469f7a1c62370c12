import type { EncryptionKeyId } from '#schema/ids.ts';
import type { Tx } from '../transaction.ts';

/** What is left of encrypted data anywhere is worth nothing without its key; call it where the record of the data goes. */
export function dropKey(
  tx: Tx,
  { encryption_key_id: id }: { encryption_key_id: EncryptionKeyId | null },
): void {
  if (id !== null) tx.later(tx.q.deleteFrom('encryption_keys').where('id', '=', id));
}
