import assert from 'node:assert/strict';
import { LostRow, transaction } from '#queues/transaction.ts';
import type { VolumeId } from '#schema/ids.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

describe('transaction', () => {
  let yard: Yard;
  let id: VolumeId;
  beforeEach(async () => {
    yard = await createYard();
    id = await yard.addVolume('available', true);
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const name = async (): Promise<string | null | undefined> =>
    (await yard.db.selectFrom('volumes').select('name').where('id', '=', id).executeTakeFirst())?.name;
  const rename = (to: string) => yard.db.updateTable('volumes').set({ name: to }).where('id', '=', id);

  it('carries out what waits before what asks, and commits the rest', async () => {
    const seen = await transaction(yard.db, async (tx) => {
      tx.later(rename('one'));
      const rows = await tx.rows(tx.q.selectFrom('volumes').select('name').where('id', '=', id));
      tx.later(rename('two'));
      return rows;
    });
    assert.deepEqual(seen, [{ name: 'one' }]);
    assert.equal(await name(), 'two');
  });

  it('rolls back all when a row that must be there is not, before COMMIT', async () => {
    await assert.rejects(
      transaction(yard.db, async (tx) => {
        tx.later(rename('lost'));
        tx.must(
          tx.q.updateTable('volumes').set({ name: 'x' }).where('id', '=', id).where('status', '=', 'in-use'),
        );
        tx.later(rename('never'));
      }),
      LostRow,
    );
    assert.equal(await name(), 'v');
  });

  it('counts a row that matched and did not change', async () => {
    await transaction(yard.db, async (tx) => {
      tx.must(tx.q.updateTable('volumes').set({ name: 'v' }).where('id', '=', id));
      assert.deepEqual(await tx.change(tx.q.updateTable('volumes').set({ name: 'v' }).where('id', '=', id)), {
        matched: 1,
        insertId: 0,
      });
    });
  });

  it('rolls back when the work throws, and lets no statement past the transaction', async () => {
    await assert.rejects(
      transaction(yard.db, async (tx) => {
        await tx.change(rename('lost'));
        await tx.q.deleteFrom('volumes').execute();
      }),
      /give the statement to the transaction/,
    );
    assert.equal(await name(), 'v');
  });
});
