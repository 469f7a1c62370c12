import assert from 'node:assert/strict';
import { collectOperations } from '#queues/conductor/gauges/operations.ts';
import { purge } from '#queues/conductor/sweeper.ts';
import { countStuck } from '#queues/operations/stuck.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type BackupId, type OperationId, type VolumeId } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import type { OperationState } from '#schema/states.ts';
import { scrape } from '#telemetry/metrics.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

const DAY_MS = 24 * 3_600_000;

describe('stuck operations', () => {
  let yard: Yard;
  beforeEach(async () => {
    yard = await createYard();
  });
  afterEach(() => yard[Symbol.asyncDispose]());

  let seq = 0;
  const add = async (
    kind: OperationKind,
    state: OperationState,
    volume: VolumeId,
    daysAgo: number,
    backup: BackupId | null = null,
  ): Promise<OperationId> => {
    const id = asId<OperationId>(systemIds.uuid());
    await yard.db
      .insertInto('operations')
      .values({
        id,
        kind,
        state,
        project_id: asId<never>('p1'),
        user_id: asId<never>('u1'),
        request_id: 'r',
        volume_id: volume,
        backup_id: backup,
        attachment_id: null,
        input: '{}',
        owner: null,
        seq_base: ++seq,
        error: null,
        created_at: sqlTime(systemClock.now() - daysAgo * DAY_MS),
        started_at: null,
        ended_at: null,
      })
      .execute();
    return id;
  };
  const purged = async (): Promise<OperationId[]> => {
    const all = () => yard.db.selectFrom('operations').select('id').execute();
    const before = await all();
    await purge({ db: yard.db, clock: systemClock });
    const after = new Set((await all()).map(({ id }) => id));
    return before.flatMap(({ id }) => (after.has(id) ? [] : [id]));
  };

  it('count until their volume has another operation, or is gone', async () => {
    const volume = await yard.addVolume('error_deleting', true);
    await add('volume.delete', 'stuck', volume, 0);
    assert.equal(await countStuck(yard.db), 1);
    await collectOperations(yard.db, systemClock);
    assert.match(await scrape(), /^blockyard_operations_stuck 1$/m);
    // Those of its backup say nothing of the volume, nor the other way round.
    const backup = await yard.addBackup(volume, 'error_deleting');
    await add('backup.delete', 'stuck', volume, 0, backup);
    assert.equal(await countStuck(yard.db), 2);
    await add('volume.delete', 'running', volume, 0);
    assert.equal(await countStuck(yard.db), 1);
    await add('backup.delete', 'queued', volume, 0, backup);
    assert.equal(await countStuck(yard.db), 0);
    const gone = asId<VolumeId>(systemIds.uuid());
    await add('volume.delete', 'stuck', gone, 0);
    await add('backup.delete', 'stuck', gone, 0, asId<BackupId>(systemIds.uuid()));
    await collectOperations(yard.db, systemClock);
    assert.match(await scrape(), /^blockyard_operations_stuck 0$/m);
  });

  it('count while they hold their volume, whatever waits behind them', async () => {
    const volume = await yard.addVolume('error', true);
    const id = await add('volume.repair', 'stuck', volume, 100);
    await yard.db.updateTable('volumes').set({ operation_id: id }).execute();
    await add('volume.delete', 'queued', volume, 0);
    assert.equal(await countStuck(yard.db), 1);
    assert.deepEqual(await purged(), []);
  });

  it('are forgotten with the rest once somebody has seen to them', async () => {
    const volume = await yard.addVolume('available', true);
    const old = await add('volume.detach', 'stuck', volume, 92);
    assert.deepEqual(await purged(), []);
    const seen = await add('volume.attach', 'done', volume, 91);
    assert.deepEqual(new Set(await purged()), new Set([old, seen]));
    const gone = await add('volume.delete', 'stuck', asId<VolumeId>(systemIds.uuid()), 91);
    await add('volume.delete', 'stuck', asId<VolumeId>(systemIds.uuid()), 89);
    assert.deepEqual(await purged(), [gone]);
  });

  it('keep the keys of a volume that lies between two encryptions', async () => {
    const volume = await yard.addVolume('error', true);
    const retype = await add('volume.retype', 'stuck', volume, 92);
    const repair = await add('volume.repair', 'done', volume, 91);
    assert.deepEqual(await purged(), [repair]);
    await yard.db.updateTable('volumes').set({ status: 'available' }).execute();
    await add('volume.attach', 'done', volume, 1);
    const keep = async (input: object): Promise<unknown> =>
      yard.db
        .updateTable('operations')
        .set({ input: JSON.stringify(input) })
        .where('id', '=', retype)
        .execute();
    await keep({ formerKeys: { from: systemIds.uuid(), to: null } });
    assert.deepEqual(await purged(), [], 'an image has been written over it: nothing else names its key');
    await keep({});
    assert.deepEqual(await purged(), [retype]);
  });

  it('are not all that a person is told of: a step that fails again and again is counted', async () => {
    const volume = await yard.addVolume('retyping', true);
    const id = await add('volume.retype', 'running', volume, 0);
    const step = (attempt: number, state: 'failed' | 'done') => ({
      operation_id: id,
      position: 11,
      name: 'replace',
      direction: 'do' as const,
      host: 'stor1',
      state,
      attempt,
      output: null,
      error: null,
      started_at: sqlTime(systemClock.now()),
      ended_at: null,
      wait_ms: null,
      commands: null,
    });
    for (const [attempt, state, counted] of [
      [10, 'failed', 0],
      [11, 'failed', 1],
      [12, 'done', 0],
    ] as const) {
      await yard.db.replaceInto('operation_steps').values(step(attempt, state)).execute();
      await collectOperations(yard.db, systemClock);
      assert.match(await scrape(), new RegExp(`^blockyard_operations_retried ${counted}$`, 'm'));
    }
  });
});
