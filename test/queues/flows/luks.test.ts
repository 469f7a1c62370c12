import assert from 'node:assert/strict';
import { luksOf } from '#queues/flows/luks.ts';
import { asId, type EncryptionKeyId } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';

describe('what opens a volume', () => {
  const luks = { secret: 'sealed', cipher: 'aes-xts-plain64', keyBits: 256 } as const;
  const encryption_key_id = asId<EncryptionKeyId>('5b0c1f4e-1d2a-4f7b-9c3d-2e4f6a8b0c1d');

  it('is its key, or nothing where it is in clear', () => {
    assert.deepEqual(luksOf({ volume: { encryption_key_id }, luks }), { luks });
    assert.deepEqual(luksOf({ volume: { encryption_key_id: null }, luks: null }), {});
  });

  it('is never nothing for one that is encrypted and whose key is gone', () => {
    assert.throws(
      () => luksOf({ volume: { encryption_key_id }, luks: null }),
      (error) => error instanceof TaskError && error.code === 'refused',
    );
  });
});
