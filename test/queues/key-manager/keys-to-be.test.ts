import assert from 'node:assert/strict';
import { rotateSecrets } from '#queues/rotate-secrets.ts';
import { createSecrets } from '#queues/secrets.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

const [OLD, NEW] = ['ab'.repeat(32), 'cd'.repeat(32)];

describe('a key that a restore will give to its volume', () => {
  let yard: Yard;
  before(async () => {
    yard = await createYard();
  });
  after(() => yard[Symbol.asyncDispose]());

  it('is sealed anew with the others, though nothing names it yet', async () => {
    const volume = await yard.addVolume('restoring-backup', true);
    const backup = await yard.addBackup(volume, 'restoring');
    const keyId = await yard.addKey();
    const secret = createSecrets(OLD).encrypt('passphrase', volume);
    await yard.db.updateTable('encryption_keys').set({ secret }).where('id', '=', keyId).execute();
    const data = { store: 'store', repository: volume, dataId: backup };
    await yard.begin('backup.restore', volume, { data, backupId: backup, keyId });
    const { rotated, unreadable } = await rotateSecrets(yard.db, createSecrets(`${NEW},${OLD}`));
    assert.deepEqual([rotated, unreadable], [1, []]);
    const [key] = await yard.db.selectFrom('encryption_keys').select('secret').execute();
    assert.equal(createSecrets(NEW).decrypt(key?.secret ?? '', volume), 'passphrase');
  });
});
