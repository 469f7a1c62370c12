import assert from 'node:assert/strict';
import { waitingFor } from '#api/block-storage/operations/waiting.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type HostName, type OperationId, type PoolName, type VolumeId } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import { startApi, type TestApi, type Who } from '../support/api.ts';

const LONG_AGO = '2026-01-01 00:00:00.000000';
const STARTED = '2026-01-01 00:01:00.000000';

/** No conductor runs: what it would have written is written here. */
describe('what an operation waits for', () => {
  let api: TestApi;
  let operation: OperationId;
  before(async () => {
    api = await startApi();
    for (const [binary, agent] of [
      ['blockyard-conductor', 'cond1'],
      ['blockyard-storage', 'stor1'],
      ['blockyard-compute', 'comp1'],
    ] as const)
      await api.db
        .insertInto('services')
        .values({
          binary,
          host: agent,
          agent: asId<HostName>(agent),
          availability_zone: 'nova',
          disabled_reason: null,
          version: 'test',
          boot_id: 'boot',
          details: '{}',
          last_seen_at: sqlTime(Date.now() + 600_000),
          updated_at: null,
        })
        .execute();
  });
  after(() => api[Symbol.asyncDispose]());

  const seen = (agent: string, last_seen_at: string) =>
    api.db.updateTable('services').set({ last_seen_at }).where('host', '=', agent).execute();

  /** One under way for a volume that lies at `stor1`. */
  async function under(kind: OperationKind): Promise<void> {
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    const id = asId<VolumeId>(body.volume.id);
    const pool = asId<PoolName>('stor1@files#files');
    await api.db.updateTable('volumes').set({ pool }).where('id', '=', id).execute();
    await api.db
      .updateTable('operations')
      .set({ kind, state: 'running', created_at: LONG_AGO })
      .where('volume_id', '=', id)
      .execute();
    const row = await api.db
      .selectFrom('operations')
      .select('id')
      .where('volume_id', '=', id)
      .executeTakeFirstOrThrow();
    operation = row.id;
  }

  async function step(
    host: string,
    name: string,
    attempt: number,
    state: 'running' | 'failed' | 'done',
    error: string | null = null,
  ): Promise<void> {
    await api.db
      .insertInto('operation_steps')
      .values({
        operation_id: operation,
        position: attempt,
        name,
        direction: 'do',
        host,
        state,
        attempt,
        output: null,
        error,
        started_at: STARTED,
        ended_at: null,
        wait_ms: null,
        commands: null,
      })
      .execute();
  }
  const becomes = (position: number, state: 'failed' | 'done', error: string | null = null) =>
    api.db
      .updateTable('operation_steps')
      .set({ state, error })
      .where('operation_id', '=', operation)
      .where('position', '=', position)
      .execute();
  const waiting = async (as: Who = 'member') =>
    (await api.call('GET', `/operations/${operation}`, { as })).body.operation.waiting;
  const message = async (): Promise<string | undefined> =>
    (await api.call('GET', '/messages')).body.messages.find((each: { id: string }) => each.id === operation)
      ?.user_message;

  it('is the volume’s storage host, where that is down and the step’s own is not', async () => {
    await under('volume.detach');
    await step('comp1', 'unplug', 1, 'running');
    assert.deepEqual([await waiting(), await message()], [null, undefined]);
    await seen('stor1', LONG_AGO);
    const { host, since, reason } = await waiting();
    assert.deepEqual([host, since.slice(0, 19)], ['stor1', STARTED.slice(0, 19).replace(' ', 'T')]);
    assert.match(reason, /^storage host stor1 is down: its agent last reported \d+ s ago$/);
    assert.match((await message()) ?? '', /volume\.detach waits since .*: storage host stor1 is down/);
    await seen('comp1', LONG_AGO);
    assert.equal((await waiting()).host, 'comp1');
    for (const agent of ['stor1', 'comp1']) await seen(agent, sqlTime(Date.now() + 600_000));
  });

  it('is found with one question about a host, however many wait for it', async () => {
    await seen('stor1', LONG_AGO);
    const rows: Parameters<typeof waitingFor>[1][number][] = [];
    for (let count = 0; count < 3; count++) {
      await under('volume.delete');
      await step('stor1', 'volume', 1, 'running');
      rows.push({ id: operation, kind: 'volume.delete', state: 'running' });
    }
    let queries = 0;
    const db = api.db.withPlugin({
      transformQuery({ node }) {
        queries++;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const waits = await waitingFor({ ...api.app, db }, rows);
    assert.deepEqual([waits.size, queries], [3, 3]);
    await seen('stor1', sqlTime(Date.now() + 600_000));
  });

  it('is a step that is tried without end; users see why, and not where on the host', async () => {
    await under('volume.retype');
    const error = 'rename /srv/secret/replacing-1: input/output error';
    for (const attempt of [1, 2]) await step('stor1', 'replace', attempt, 'failed', error);
    // Of those before it some have ended with their conductor: nothing has failed a third time.
    await step('stor1', 'replace', 6, 'running');
    assert.equal(await waiting(), null);
    await becomes(6, 'failed', error);
    await step('stor1', 'replace', 7, 'running');
    const why = 'step "replace" fails on host stor1, by now in attempt 7: rename';
    assert.equal((await waiting()).reason, `${why} …/replacing-1: input/output error`);
    assert.equal((await waiting('admin')).reason, `${why} /srv/secret/replacing-1: input/output error`);
    assert.match(
      (await message()) ?? '',
      /volume\.retype waits since 2026-01-01T00:01:00 UTC and goes on by itself: step "replace" fails .*…\/replacing-1/,
    );
    await becomes(7, 'done');
    assert.equal(await waiting(), null);
  });

  it('is no step that is given up after some failures', async () => {
    await under('volume.retype');
    for (const attempt of [1, 2, 3, 4]) await step('stor1', 'wipe', attempt, 'failed', 'input/output error');
    assert.deepEqual([await waiting(), await message()], [null, undefined]);
  });
});
