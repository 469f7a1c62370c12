import assert from 'node:assert/strict';
import { compareKeys } from '#queues/drift/keys.ts';
import { readRows } from '#queues/drift/rows.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

describe('keys of encrypted volumes in drift', () => {
  let yard: Yard;
  before(async () => {
    yard = await createYard();
  });
  after(() => yard[Symbol.asyncDispose]());

  const found = async () => compareKeys(await readRows(yard.db)).map(({ kind, subject }) => [kind, subject]);

  it('one that nothing names, and what names one that is gone', async () => {
    const volume = await yard.addVolume('restoring-backup', true);
    const image = await yard.addImage();
    const [ofVolume, ofImage, toBe, gone] = [
      await yard.addKey(),
      await yard.addKey(),
      await yard.addKey(),
      await yard.addKey(),
    ];
    await yard.db.updateTable('volumes').set({ encryption_key_id: ofVolume }).execute();
    await yard.db.updateTable('images').set({ encryption_key_id: ofImage }).execute();
    const backup = await yard.addBackup(volume, 'restoring');
    const data = { store: 'store', repository: volume, dataId: backup };
    await yard.begin('backup.restore', volume, { data, backupId: backup, keyId: toBe });
    assert.deepEqual(await found(), [['key-extra', gone]], 'a restore under way needs its own');
    await yard.db.deleteFrom('encryption_keys').where('id', 'in', [gone, ofImage, ofVolume]).execute();
    assert.deepEqual(
      new Map((await found()).map(([kind, subject]) => [subject, kind])),
      new Map<string, string>([
        [volume, 'key-missing'],
        [image, 'key-missing'],
      ]),
    );
  });
});
