/** One project's ten thousand creates, and another's single one in the middle of them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { startConductor } from '#queues/conductor/conductor.ts';
import { DEFAULT_WEIGHTS } from '#queues/placement/weighers.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type HostName, type OperationId, type VolumeId } from '#schema/ids.ts';
import { TASKS, type TaskName } from '#schema/tasks.ts';
import { PROJECT, SECRET_KEY, startApi, type TestApi } from '#test/api/support/api.ts';
import { eventually } from '#test/api/support/hosts.ts';
import { ModelHost } from '#test/support/model-host.ts';

const BURST = 10_000;
/** As slow as LVM, so that tasks pile up at the agent too: 32 at a time make 64 volumes a second. */
const CREATE_MS = 500;
/** The other project's volume: one turn in the conductor's line, one in the agent's, and the work itself. */
const WITHIN_MS = 5_000;

describe('a burst of one project', () => {
  let api: TestApi;
  let folder: string;
  const stops: (() => Promise<void>)[] = [];

  before(async function () {
    this.timeout(30_000);
    api = await startApi();
    folder = await mkdtemp(join(tmpdir(), 'blockyard-burst-'));
    const queue = { redisUrl: api.redis.url, prefix: api.redis.prefix, log: () => undefined };
    const agent = await startAgent({
      ...queue,
      kind: 'storage',
      host: asId<HostName>('stor1'),
      stateDir: join(folder, 'storage'),
      handlers: slowHandlers(),
      report: async () => ({
        bootId: 'boot',
        version: 'test',
        availabilityZone: 'nova',
        kind: 'storage',
        host: 'stor1',
        pools: [
          {
            backend: 'files',
            backendName: 'files',
            totalGib: 100_000,
            freeGib: 100_000,
            reservedPercentage: 0,
            maxOverSubscriptionRatio: 1,
            thin: false,
            capabilities: {},
          },
        ],
      }),
    });
    stops.push(() => agent.stop());
    const conductor = await startConductor({
      ...queue,
      db: api.db,
      secretKey: SECRET_KEY,
      host: asId<HostName>('cond1'),
      availabilityZone: 'nova',
      version: 'test',
      weights: DEFAULT_WEIGHTS,
      clock: systemClock,
      ids: systemIds,
    });
    stops.push(() => conductor.stop());
    await eventually(async () => {
      const pools = await api.db.selectFrom('pools').select('name').execute();
      assert.equal(pools.length, 1);
    });
  });
  after(async () => {
    for (const stop of stops.toReversed()) await stop();
    await api[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it(`of ${BURST} creates does not keep another project’s single one waiting`, async function () {
    this.timeout(120_000);
    await burst();
    const open = await openOperations();
    assert.ok(open > BURST / 2, `only ${open} of the burst are still to be done`);
    for (let round = 0; round < 3; round++) {
      const took = await createAsStranger();
      assert.ok(took < WITHIN_MS, `it took ${took} ms`);
      await sleep(1_000);
    }
    assert.ok((await openOperations()) > BURST / 4, 'the burst was over too soon to tell');
  });

  /** What ten thousand requests would write; sent faster than a client could. */
  async function burst(): Promise<void> {
    const now = sqlTime(Date.now());
    for (let begun = 0; begun < BURST; begun += 100) {
      const ids = await transaction(api.db, async (tx) => {
        const operations: OperationId[] = [];
        for (let one = 0; one < 100; one++) {
          const id = asId<VolumeId>(systemIds.uuid());
          tx.later(
            tx.q.insertInto('volumes').values({
              id,
              project_id: asId(PROJECT),
              user_id: asId('max'),
              name: null,
              description: null,
              size_gib: 1,
              status: 'creating',
              availability_zone: 'nova',
              pool: null,
              volume_type_id: null,
              metadata: '{}',
              operation_id: null,
              created_at: now,
              updated_at: null,
            }),
          );
          operations.push(
            await api.app.operations.begin(tx, {
              kind: 'volume.create',
              volumeId: id,
              projectId: asId(PROJECT),
              userId: asId('max'),
              requestId: 'req-burst',
              input: {},
            }),
          );
        }
        return operations;
      });
      for (const id of ids) api.app.operations.submit(id);
    }
  }

  async function createAsStranger(): Promise<number> {
    const began = performance.now();
    const as = 'stranger';
    const { body } = await api.call('POST', '/volumes', { as, body: { volume: { size: 1 } } });
    await eventually(async () => {
      const shown = await api.call('GET', `/volumes/${body.volume.id}`, { as });
      assert.equal(shown.body.volume.status, 'available');
    }, 60_000);
    return Math.round(performance.now() - began);
  }

  async function openOperations(): Promise<number> {
    const { n } = await api.db
      .selectFrom('operations')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('state', 'in', ['queued', 'running'])
      .executeTakeFirstOrThrow();
    return n;
  }
});

function slowHandlers(): Handlers<'storage'> {
  const model = new ModelHost();
  const names = (Object.keys(TASKS) as TaskName[]).filter((name) => TASKS[name].agent === 'storage');
  return Object.fromEntries(
    names.map((name) => [
      name,
      async (input: unknown) => {
        await sleep(CREATE_MS);
        return model.carryOut(name, input);
      },
    ]),
  ) as unknown as Handlers<'storage'>;
}
