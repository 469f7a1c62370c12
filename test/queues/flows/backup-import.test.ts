import assert from 'node:assert/strict';
import { runOperation } from '#queues/conductor/engine.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { BackupStatus } from '#schema/states.ts';
import { engineParts } from '#test/support/engine.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

describe('importing the record of a backup whose data another record has', () => {
  let yard: Yard;
  beforeEach(async () => {
    yard = await createYard();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  async function imported(beside: BackupStatus) {
    const volume = await yard.addVolume('available', true);
    const [other, backup] = [
      await yard.addBackup(volume, beside),
      await yard.addBackup(volume, 'creating'),
    ] as const;
    await yard.db.updateTable('backups').set({ data_id: other }).execute();
    const data = { store: 'store', repository: volume, dataId: other };
    const input = { data, host: asId<HostName>('stor1') };
    const id = await yard.begin('backup.import', volume, input, undefined, backup);
    const asked: string[] = [];
    const deps = {
      ...engineParts(yard),
      dispatcher: {
        async run({ task }: { readonly task: string }) {
          asked.push(task);
          return {};
        },
      },
    };
    await runOperation(deps, id, new AbortController().signal);
    const row = yard.db.selectFrom('backups').select(['status', 'fail_reason']).where('id', '=', backup);
    return { asked, ...(await row.executeTakeFirstOrThrow()) };
  }

  it('fails while a deletion, which has not seen it, may be removing them', async () => {
    assert.deepEqual(await imported('deleting'), {
      asked: [],
      status: 'error',
      fail_reason: 'the backup’s data are being deleted',
    });
  });

  it('looks for them otherwise', async () => {
    assert.deepEqual(await imported('available'), {
      asked: ['backup.find'],
      status: 'available',
      fail_reason: null,
    });
  });
});
