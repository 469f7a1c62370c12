import assert from 'node:assert/strict';
import { compareDatabase } from '#queues/drift/database.ts';
import { readRows } from '#queues/drift/rows.ts';
import { sqlTimeToMs } from '#schema/clock.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

const MINUTE_MS = 60_000;

describe('statuses in drift', () => {
  let yard: Yard;
  before(async () => {
    yard = await createYard();
  });
  after(() => yard[Symbol.asyncDispose]());

  it('a client has an hour for what it has reserved a volume for', async () => {
    const id = await yard.addVolume('reserved', true);
    const rows = await readRows(yard.db);
    const since = sqlTimeToMs(rows.volumes.get(id)?.created_at ?? '');
    const at = (ms: number) =>
      compareDatabase(rows, since + ms).filter(({ kind }) => kind === 'volume-status');
    assert.deepEqual(at(59 * MINUTE_MS), []);
    const [late] = at(61 * MINUTE_MS);
    assert.deepEqual([late?.subject, late?.care, late?.found], [id, 'named', 'status reserved']);
  });
});
