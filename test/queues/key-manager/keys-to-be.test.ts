import assert from 'node:assert/strict';
import { rotateSecrets } from '#queues/rotate-secrets.ts';
import { createSecrets } from '#queues/secrets.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

const [OLD, NEW] = ['ab'.repeat(32), 'cd'.repeat(32)];

describe('a key that an operation will give to its volume', () => {
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

  it('is sealed anew with that which the volume has had, also when a retype is stuck between the two', async () => {
    const volume = await yard.addVolume('retyping', true);
    const [from, to] = [await yard.addKey(), await yard.addKey()];
    const secret = createSecrets(OLD).encrypt('passphrase', volume);
    await yard.db.updateTable('encryption_keys').set({ secret }).where('id', 'in', [from, to]).execute();
    const type = { id: await yard.addType({}), multiattach: false };
    const account = { username: 'mover', secret: 'sealed' };
    const input = { type, policy: 'on-demand', account, keys: { from, to } } as const;
    await yard.begin('volume.retype', volume, input);
    for (const [first, state] of [
      [NEW, 'running'],
      [OLD, 'stuck'],
    ] as const) {
      await yard.db.updateTable('operations').set({ state }).where('kind', '=', 'volume.retype').execute();
      const other = first === NEW ? OLD : NEW;
      const { unreadable } = await rotateSecrets(yard.db, createSecrets(`${first},${other}`));
      assert.deepEqual(unreadable, []);
      const keys = await yard.db
        .selectFrom('encryption_keys')
        .select('secret')
        .where('id', 'in', [from, to])
        .execute();
      assert.deepEqual(
        keys.map((key) => createSecrets(first).decrypt(key.secret, volume)),
        ['passphrase', 'passphrase'],
      );
    }
  });
});
