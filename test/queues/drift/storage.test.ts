import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import { compareDatabase } from '#queues/drift/database.ts';
import { findDrift } from '#queues/drift/find.ts';
import { recount, StillMoving } from '#queues/drift/mysql-repairs.ts';
import { readRows } from '#queues/drift/rows.ts';
import type { Questions } from '#queues/questions.ts';
import { systemClock } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import type { PoolName, VolumeId } from '#schema/ids.ts';
import type { RemovableKind } from '#schema/inventory.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { engineParts } from '#test/support/engine.ts';
import { createYard, SIZE_GIB, type Yard } from '#test/support/yard.ts';

const GIB = 1024 ** 3;

/** What lies on two hosts is files in two folders. */
describe('drift of volumes whose data lie elsewhere', function () {
  this.timeout(60_000);
  let yard: Yard;
  let dir: string;
  let backends: ReadonlyMap<string, Backend>;
  const silent = new Set<string>();
  beforeEach(async () => {
    yard = await createYard();
    await yard.addPool('stor2', 'files');
    dir = await mkdtemp(join(tmpdir(), 'by-elsewhere-'));
    const opened = (host: string) => createFileBackend(join(dir, host), systemRunner);
    backends = new Map([
      ['stor1', await opened('stor1')],
      ['stor2', await opened('stor2')],
    ]);
    silent.clear();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const put = async (host: string, name: string): Promise<void> => {
    await writeFile(join(dir, host, name), 'data');
    await truncate(join(dir, host, name), SIZE_GIB * GIB);
  };
  const questions = {
    async ask(host: string) {
      const backend = backends.get(host);
      if (silent.has(host)) throw new Error('no answer');
      if (backend === undefined) return { domains: null, secrets: [], connections: [] };
      const items = await backend.items();
      const told = { name: 'files', backendName: 'files', kind: 'file', items, error: null };
      return { bootId: 'boot', backends: [told], exports: null, exportsError: null };
    },
  } as unknown as Questions;
  const cares = async (host?: string): Promise<string[]> => {
    const deps = { db: yard.db, questions, clock: systemClock, images: { files: undefined } };
    return (await findDrift(deps, host)).differences.map(({ kind, care }) => `${kind} ${care}`);
  };
  /** What a repair does that was found before something changed. */
  const remove = async (volume: VolumeId, host: string, kind: RemovableKind): Promise<string> => {
    const deps = {
      ...engineParts(yard),
      dispatcher: {
        async run({ task, queue, envelope }: { task: string; queue: string; envelope: { input: unknown } }) {
          const backend = backends.get(queue.endsWith('stor1') ? 'stor1' : 'stor2')!;
          const input = envelope.input as { volumeId: string; sizeGib: number; id: string };
          if (task === 'storage.remove') await backend.remove(kind, input.id);
          else return { sizeBytes: await backend.grow(input.volumeId, input.sizeGib * GIB) };
          return {};
        },
      },
    };
    const input = { what: 'remove', host, backend: 'files', kind, id: volume } as const;
    const id = await yard.begin('volume.repair', volume, input);
    await runOperation(deps, id, new AbortController().signal);
    const { state } = await yard.db
      .selectFrom('operations')
      .select('state')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return state;
  };

  it('offers no removal of what may be a volume’s only data', async () => {
    const volume = await yard.addVolume('available', true);
    await put('stor2', `volume-${volume}`);
    assert.deepEqual(await cares(), ['volume-missing none', 'volume-orphan none']);
    assert.deepEqual(await cares('stor2'), ['volume-orphan none']);
    assert.equal(await remove(volume, 'stor2', 'volume'), 'undone');
    silent.add('stor1');
    assert.deepEqual(await cares('stor2'), ['volume-orphan none']);
    silent.clear();
    await put('stor1', `volume-${volume}`);
    assert.deepEqual(await cares('stor2'), ['volume-orphan data']);
    assert.equal(await remove(volume, 'stor2', 'volume'), 'done');
    assert.deepEqual([await readdir(join(dir, 'stor2')), await cares()], [[], []]);
  });

  it('offers no removal of what has stood aside for data that never came', async () => {
    const volume = await yard.addVolume('error', true);
    await put('stor1', `deleting-${volume}`);
    assert.deepEqual(await cares(), ['leftover none', 'volume-missing none']);
    assert.equal(await remove(volume, 'stor1', 'deleting'), 'undone');
    assert.deepEqual(await readdir(join(dir, 'stor1')), [`deleting-${volume}`]);
    await put('stor1', `volume-${volume}`);
    assert.deepEqual(await cares(), ['leftover named']);
    assert.equal(await remove(volume, 'stor1', 'deleting'), 'done');
    assert.deepEqual(await cares(), []);
  });

  it('takes what a volume without a place has for its only data', async () => {
    const volume = await yard.addVolume('error', false);
    await put('stor1', `volume-${volume}`);
    assert.deepEqual(await cares(), ['volume-orphan none']);
    assert.equal(await remove(volume, 'stor1', 'volume'), 'undone');
  });

  it('counts pools while a volume moves, but the one that it moves to', async () => {
    const volume = await yard.addVolume('retyping', true);
    const to = 'stor2@files#files' as PoolName;
    const account = { username: 'mover', secret: 'sealed' };
    const id = await yard.begin('volume.migrate', volume, { pool: to, policy: 'on-demand', account });
    await yard.db.updateTable('pools').set({ volume_count: 9 }).execute();
    const wrong = async () =>
      compareDatabase(await readRows(yard.db), systemClock.now())
        .filter(({ kind }) => kind === 'pool-sums')
        .map(({ subject }) => subject)
        .toSorted();
    assert.deepEqual(await wrong(), [yard.pool, to]);
    await yard.db
      .insertInto('operation_steps')
      .values({
        operation_id: id,
        position: 1,
        name: 'place',
        direction: 'do',
        host: 'conductor',
        state: 'done',
        attempt: 1,
        output: JSON.stringify({ from: yard.pool, to }),
        error: null,
        started_at: sqlTime(systemClock.now()),
        ended_at: null,
        wait_ms: null,
        commands: null,
      })
      .execute();
    assert.deepEqual(await wrong(), [yard.pool]);
    await assert.rejects(recount(yard.db, to), StillMoving);
    await recount(yard.db, yard.pool);
    assert.deepEqual(await wrong(), []);
    // Behind its commit both are right again, however long the rest takes.
    await yard.db.updateTable('volumes').set({ pool: to }).execute();
    assert.deepEqual(await wrong(), [yard.pool, to]);
    await recount(yard.db, to);
    assert.deepEqual(await wrong(), [yard.pool]);
  });
});
