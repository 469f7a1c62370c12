import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineDeps } from '#queues/conductor/deps.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import { Evictions } from '#queues/conductor/evictions.ts';
import { collectWaiting } from '#queues/conductor/gauges/waiting.ts';
import { HostDown } from '#queues/conductor/host-down.ts';
import { unattended } from '#queues/conductor/sweeper.ts';
import { FLOWS } from '#queues/flows/index.ts';
import { systemClock } from '#queues/system.ts';
import { type AttachmentId, asId, type HostName, type OperationId } from '#schema/ids.ts';
import { type AgentKind, TaskError } from '#schema/tasks.ts';
import { scrape } from '#telemetry/metrics.ts';
import { engineParts } from '#test/support/engine.ts';
import { ModelHost } from '#test/support/model-host.ts';
import { createYard, SIZE_GIB, type Yard } from '#test/support/yard.ts';

const signal = new AbortController().signal;
const INITIATOR = 'iqn.2010-10.org.blockyard:host:comp1';

describe('operations and a host that is down', () => {
  let yard: Yard;
  let host: ModelHost;
  /** Hosts that are down by now, and whether they had begun with what they were asked. */
  let down: Partial<Record<AgentKind, { begun: boolean }>>;
  let tasks: string[];
  /** `queue volume` → the newest number. */
  let carriedOut: Map<string, number>;
  beforeEach(async () => {
    [yard, host, down, tasks, carriedOut] = [await createYard(), new ModelHost(), {}, [], new Map()];
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const deps = (): EngineDeps => ({
    ...engineParts(yard),
    dispatcher: {
      async run({ task, queue, envelope }, _withinMs, whenDown = 'wait') {
        const state = down[queue.split('.')[0] as AgentKind];
        tasks.push(`${task}${state === undefined ? '' : ` ${whenDown}`}`);
        if (state === undefined) {
          // As an agent's journal has it.
          const newest = carriedOut.get(`${queue} ${envelope.volumeId}`) ?? 0;
          if (envelope.seq < newest) throw new TaskError('stale', 'it is older');
          carriedOut.set(`${queue} ${envelope.volumeId}`, envelope.seq);
          return host.carryOut(task, envelope.input);
        }
        if (whenDown === 'wait') return new Promise(() => undefined);
        throw new HostDown('its host is down', state.begun);
      },
    },
  });
  const run = (id: OperationId) => runOperation(deps(), id, signal);
  const operation = (id: OperationId) =>
    yard.db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const volumeNow = () => yard.db.selectFrom('volumes').selectAll().executeTakeFirstOrThrow();
  const evictions = () => yard.db.selectFrom('evictions').selectAll().execute();

  async function attaching() {
    const volume = await yard.addVolume('attaching', true);
    host.volumes.set(volume, SIZE_GIB);
    const attachment = await yard.addAttachment(volume, 'attaching', 1);
    return { volume, id: await yard.begin('volume.attach', volume, { device: null }, attachment) };
  }
  async function attached() {
    const volume = await yard.addVolume('in-use', true);
    host.volumes.set(volume, SIZE_GIB);
    const attachment = await yard.addAttachment(volume, 'attached', 1);
    host.exports.set(volume, [`${INITIATOR} user-${attachment}`]);
    host.disks.set(`${yard.server} ${volume}`, { device: '/dev/vdb', iotune: {} });
    return { volume, attachment };
  }
  const detaching = (id: AttachmentId) =>
    yard.db.updateTable('attachments').set({ status: 'detaching' }).where('id', '=', id).execute();

  it('an attach that the storage host never saw ends at once, with nothing to undo', async () => {
    down = { storage: { begun: false } };
    const { id } = await attaching();
    await run(id);
    const { state, error } = await operation(id);
    assert.deepEqual([state, error, tasks], ['undone', 'its host is down', ['export.ensure fail']]);
    assert.equal((await volumeNow()).status, 'available');
  });

  it('an attach whose hypervisor dies shuts it out and leaves it to be cleared', async () => {
    down = { compute: { begun: true } };
    const { volume, id } = await attaching();
    await run(id);
    assert.equal((await operation(id)).state, 'undone');
    assert.deepEqual(tasks, ['export.ensure', 'disk.attach fail', 'disk.detach fail', 'export.ensure']);
    assert.deepEqual([(await volumeNow()).status, [...host.exports]], ['available', []]);
    const [eviction] = await evictions();
    assert.deepEqual([eviction?.volume_id, eviction?.host, eviction?.root], [volume, 'comp1', 0]);
  });

  it('one that the hypervisor never saw leaves nothing to clear', async () => {
    down = { compute: { begun: false } };
    const { id } = await attaching();
    await run(id);
    assert.equal((await operation(id)).state, 'undone');
    assert.deepEqual([await evictions(), [...host.exports]], [[], []]);
  });

  it('or leaves that to the detach that waits behind it, as its server is being deleted', async () => {
    down = { compute: { begun: true } };
    const { volume, id } = await attaching();
    const { attachment_id } = await operation(id);
    const detach = await yard.begin(
      'volume.detach',
      volume,
      { serverGone: true },
      attachment_id ?? undefined,
    );
    await run(id);
    assert.equal((await evictions()).length, 1);
    // Its task is in the host's queue when that is back, and so comes before any report.
    down = {};
    await run(detach);
    assert.deepEqual([(await operation(detach)).state, (await volumeNow()).status], ['done', 'available']);
    assert.deepEqual(
      await evictions(),
      [],
      'its number is newer: the host would refuse the eviction for ever',
    );
  });

  it('or to the newer eviction, where that detach is given up for one by force: the older would come too late', async () => {
    down = { compute: { begun: true } };
    const { volume, id } = await attaching();
    const { attachment_id: attachment } = await operation(id);
    assert.ok(attachment !== null);
    const detach = await yard.begin('volume.detach', volume, { serverGone: true }, attachment);
    await run(id);
    void run(detach);
    while (!tasks.includes('disk.detach wait')) await sleep(5);
    await run(await yard.begin('volume.force-detach', volume, {}, attachment));
    assert.equal((await operation(detach)).state, 'undone');
    const [left, ...others] = await evictions();
    assert.deepEqual([others, left?.root], [[], 0]);
    assert.ok((left?.seq ?? 0) > (await operation(detach)).seq_base + 63);
  });

  it('an attach to a host that has yet to be cleared of the volume is refused', async () => {
    const { volume, attachment } = await attached();
    await run(await yard.begin('volume.force-detach', volume, {}, attachment));
    await yard.db.updateTable('volumes').set({ status: 'attaching' }).execute();
    tasks = [];
    const again = await yard.addAttachment(volume, 'attaching', 1);
    const id = await yard.begin('volume.attach', volume, { device: null }, again);
    await run(id);
    const { state, error } = await operation(id);
    assert.deepEqual([state, tasks], ['undone', []]);
    assert.match(error ?? '', /was taken from host comp1 by force/);
  });

  it('a detach by force takes the volume from a detach that waits, whose conductor is fenced off', async () => {
    const { volume, attachment } = await attached();
    await detaching(attachment);
    const waits = await yard.begin('volume.detach', volume, {}, attachment);
    down = { compute: { begun: false } };
    void run(waits);
    while (!tasks.includes('disk.detach wait')) await new Promise((resolve) => setTimeout(resolve, 5));
    const behind = await yard.begin('qos.apply', volume, { before: {} }, attachment);
    const force = await yard.begin('volume.force-detach', volume, {}, attachment);
    await yard.db.updateTable('operations').set({ created_at: '2026-01-01 00:00:00' }).execute();
    const sweeper = { db: yard.db, clock: systemClock } as Parameters<typeof unattended>[0];
    const found = (await unattended(sweeper)).map(({ id }) => id);
    assert.deepEqual(found, [force], 'the sweeper finds it although the volume is held');
    await run(force);
    const [given, queued, done] = [await operation(waits), await operation(behind), await operation(force)];
    assert.deepEqual([given.state, queued.state, done.state], ['undone', 'undone', 'done']);
    assert.match(given.error ?? '', /detached by force/);
    const { status, operation_id } = await volumeNow();
    assert.deepEqual([status, operation_id, [...host.exports]], ['available', null, []]);
    assert.deepEqual(
      await yard.db.selectFrom('operation_steps').select('name').where('state', '=', 'running').execute(),
      [],
    );
    const [eviction] = await evictions();
    assert.ok((eviction?.seq ?? 0) > done.seq_base && (eviction?.seq ?? 0) < done.seq_base + 64);
  });

  it('and whoever waited behind that gets numbers newer than its own', async () => {
    const { volume, attachment } = await attached();
    const waits = await yard.begin('qos.apply', volume, { before: {} }, attachment);
    down = { compute: { begun: false } };
    void run(waits);
    while (!tasks.includes('disk.tune wait')) await new Promise((resolve) => setTimeout(resolve, 5));
    await yard.db.updateTable('volumes').set({ status: 'extending' }).execute();
    const behind = [
      await yard.begin('volume.extend', volume, { fromGib: SIZE_GIB, toGib: SIZE_GIB + 1 }),
      await yard.begin('volume.force-detach', volume, {}, attachment),
      await yard.begin('volume.extend', volume, { fromGib: SIZE_GIB + 1, toGib: SIZE_GIB + 2 }),
    ] as const;
    const [first, force, last] = behind;
    await run(force);
    for (const id of [first, last]) await run(id);
    const ended = await Promise.all(behind.map(operation));
    assert.deepEqual(
      ended.map(({ state, error }) => [state, error]),
      behind.map(() => ['done', null]),
    );
    const [before = 0, cut = 0, after = 0] = ended.map(({ seq_base }) => seq_base);
    assert.ok(cut < before && before < after && after <= (await volumeNow()).seq);
    assert.equal(host.volumes.get(volume), SIZE_GIB + 2);
  });

  it('but not from an operation that goes on by itself', async () => {
    const { volume, attachment } = await attached();
    await yard.db.updateTable('volumes').set({ status: 'extending' }).execute();
    const extend = await yard.begin('volume.extend', volume, { fromGib: SIZE_GIB, toGib: SIZE_GIB + 1 });
    const force = await yard.begin('volume.force-detach', volume, {}, attachment);
    await run(force);
    assert.equal((await operation(force)).state, 'queued');
    await run(extend);
    assert.equal((await operation(extend)).state, 'done');
    await run(force);
    assert.equal((await operation(force)).state, 'done');
  });

  it('nobody is let in again by a conductor that has lost an attach, however late it asks for the export', async () => {
    const { volume, id } = await attaching();
    const asked: string[] = [];
    /** Takes it up from the one before, and has a hypervisor of its own that answers only then. */
    const takesUp = (answer: () => Promise<never>) => {
      const usual = deps();
      const run: EngineDeps['dispatcher']['run'] = (dispatch, ...how) => {
        if (dispatch.task !== 'disk.attach') return usual.dispatcher.run(dispatch, ...how);
        asked.push(dispatch.jobId);
        return answer();
      };
      return runOperation({ ...usual, dispatcher: { run } }, id, signal);
    };
    const isAsked = async (times: number) => {
      const exported = yard.db.selectFrom('operation_steps').selectAll().where('state', '=', 'done');
      while (asked.length < times || (await exported.execute()).length === 0) await sleep(5);
      await yard.db.updateTable('operations').set({ owner: null }).execute();
    };
    const failure = new TaskError('failed', 'no session');
    const late = Promise.withResolvers<never>();
    void takesUp(() => new Promise(() => undefined));
    await isAsked(1);
    const loser = takesUp(() => late.promise);
    await isAsked(2);
    await takesUp(() => Promise.reject(failure));
    assert.equal((await operation(id)).state, 'undone');
    assert.deepEqual([...host.exports], []);

    tasks = [];
    late.reject(failure);
    await loser;
    assert.deepEqual(tasks, ['export.ensure'], 'it asks, by its old number');
    assert.deepEqual([...host.exports], []);
    assert.equal((await operation(id)).state, 'undone');
    assert.ok(host.volumes.has(volume));
  });

  it('the root volume of a server that is being deleted: the server goes with it', async () => {
    const { volume, attachment } = await attached();
    await yard.addServer(volume, 'ACTIVE', 'deleting');
    await yard.db.updateTable('attachments').set({ boot_index: 0, delete_on_termination: 1 }).execute();
    await run(await yard.begin('volume.force-detach', volume, {}, attachment));
    const server = await yard.db.selectFrom('servers').selectAll().executeTakeFirst();
    assert.equal(server?.status, 'DELETED');
    assert.equal((await volumeNow()).status, 'deleting');
    assert.equal((await evictions())[0]?.root, 1);
  });

  it('or, where the cut fails for good, can be deleted again: what was to delete it has been given up', async () => {
    const { volume, attachment } = await attached();
    await yard.addServer(volume, 'ACTIVE', 'deleting');
    await yard.db.updateTable('attachments').set({ boot_index: 0 }).execute();
    const input = { serverId: yard.server, takesVolume: false };
    const deletion = await yard.begin('server.delete', volume, input, attachment);
    down = { compute: { begun: false } };
    void run(deletion);
    while (!tasks.includes('server.absent wait')) await sleep(5);
    const force = await yard.begin('volume.force-detach', volume, {}, attachment);
    const cut = async (): Promise<never> => {
      throw new TaskError('failed', 'a session is left');
    };
    await runOperation({ ...deps(), dispatcher: { run: cut } }, force, signal);
    assert.deepEqual(
      [(await operation(deletion)).state, (await operation(force)).state],
      ['undone', 'stuck'],
    );
    const server = await yard.db.selectFrom('servers').selectAll().executeTakeFirstOrThrow();
    assert.deepEqual([server.status, server.task_state, server.fault], ['ERROR', null, 'a session is left']);

    down = {};
    await run(await yard.begin('server.delete', volume, input, attachment));
    assert.equal((await yard.db.selectFrom('servers').selectAll().executeTakeFirst())?.status, 'DELETED');
    assert.equal((await volumeNow()).status, 'available');
  });

  it('a detach is counted at the storage host behind its hypervisor, and at that when it is down itself', async () => {
    const { volume, attachment } = await attached();
    await detaching(attachment);
    down = { compute: { begun: false } };
    void run(await yard.begin('volume.detach', volume, {}, attachment));
    const steps = yard.db.selectFrom('operation_steps').select('name').where('state', '=', 'running');
    while ((await steps.execute()).length === 0) await sleep(5);
    const counted = async (): Promise<string[]> => {
      await collectWaiting(yard.db, systemClock);
      return (await scrape()).match(/^blockyard_operations_waiting.*/gm) ?? [];
    };
    const silence = (kind: AgentKind) =>
      yard.db
        .updateTable('services')
        .set({ last_seen_at: '2026-01-01 00:00:00' })
        .where('binary', '=', `blockyard-${kind}`)
        .execute();
    assert.deepEqual(await counted(), []);
    await silence('storage');
    assert.deepEqual(await counted(), ['blockyard_operations_waiting{agent="storage",host="stor1"} 1']);
    await silence('compute');
    assert.deepEqual((await counted()).toSorted(), [
      'blockyard_operations_waiting{agent="compute",host="comp1"} 1',
      'blockyard_operations_waiting{agent="storage",host="stor1"} 0',
    ]);
  });

  describe('what must be finished once it was begun', () => {
    /** Which task the first was, and what its dispatcher was told. */
    const firstOf = async (id: OperationId): Promise<string | undefined> => {
      down = { storage: { begun: true } };
      void run(id);
      while (tasks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      return tasks[0];
    };

    it('is what reads a volume beside the line of its other tasks: until then the volume is not free', async () => {
      const volume = await yard.addVolume('backing-up', true);
      const backup = await yard.addBackup(volume, 'creating');
      const data = { store: 'store', repository: volume, dataId: backup };
      const saving = { data, pool: yard.pool, snapshotId: null };
      const backingUp = await yard.begin('backup.create', volume, saving, undefined, backup);
      assert.equal(await firstOf(backingUp), 'backup.ensure fail-unless-begun');
      tasks = [];
      const other = await yard.addVolume('uploading', true);
      const image = { imageId: await yard.addImage(), diskFormat: 'raw' } as const;
      assert.equal(
        await firstOf(await yard.begin('volume.upload', other, image)),
        'volume.upload fail-unless-begun',
      );
    });

    it('no lane of an agent has a task that is given up before it has ended', () => {
      const givenUp = Object.values(FLOWS).flatMap(({ kind, rows }) =>
        rows
          .filter((row) => row.on !== 'conductor' && row.lane !== undefined && 'none' in row.undo)
          .filter((row) => row.on !== 'conductor' && !row.waits && !row.finishes)
          .map(({ name }) => `${kind} ${name}`),
      );
      // That one reads the store, and no volume.
      assert.deepEqual(givenUp, ['backup.import find']);
    });

    it('is waited for by whoever takes it up: the one before may have sent it', async () => {
      const volume = await yard.addVolume('extending', true);
      const id = await yard.begin('volume.extend', volume, { fromGib: SIZE_GIB, toGib: SIZE_GIB + 1 });
      await yard.db.updateTable('operations').set({ epoch: 1, state: 'running' }).execute();
      assert.equal(await firstOf(id), 'volume.grow wait');
    });
  });

  it('a host that is back is cleared; what fails is tried again, what is stale waits for an operator', async () => {
    const { volume, attachment } = await attached();
    await run(await yard.begin('volume.force-detach', volume, {}, attachment));
    const answers: (() => unknown)[] = [
      () => {
        throw new TaskError('failed', 'libvirt is away');
      },
      () => {
        throw new TaskError('stale', 'older');
      },
      () => ({ guest: 'off' }),
    ];
    const seqs: number[] = [];
    const clearing = new Evictions({
      db: yard.db,
      nonce: randomUUID,
      log: () => undefined,
      dispatcher: {
        async run({ envelope }) {
          seqs.push(envelope.seq);
          return answers.shift()?.();
        },
      },
    });
    const report = async (): Promise<number> => {
      const pending = await clearing.carryOut(asId<HostName>('comp1'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      return pending.length;
    };
    assert.equal(await report(), 1);
    assert.equal((await evictions())[0]?.error, 'libvirt is away');
    const { seq } = await volumeNow();
    assert.equal(await report(), 1);
    assert.match((await evictions())[0]?.error ?? '', /may have been given it again/);
    assert.equal((await volumeNow()).seq, seq, 'no number is counted up for it');
    assert.equal(await report(), 1);
    assert.equal(await report(), 0);
    assert.ok(seqs.length === 3 && new Set(seqs).size === 1, String(seqs));
  });

  it('nothing else is taken from that host first: its number would be newer, and the host would never be cleared', async () => {
    const { volume, attachment } = await attached();
    await run(await yard.begin('volume.force-detach', volume, {}, attachment));
    await yard.db.updateTable('evictions').set({ error: 'libvirt is away' }).execute();
    tasks = [];
    for (const input of [
      { what: 'disconnect', host: 'comp1' },
      { what: 'unplug', host: 'comp1', serverId: yard.server },
    ] as const) {
      const id = await yard.begin('volume.repair', volume, input);
      await run(id);
      const { state, error } = await operation(id);
      assert.equal(state, 'undone');
      assert.match(error ?? '', /has not been cleared of it since/);
    }
    assert.deepEqual(tasks, []);
    const clearing = new Evictions({
      db: yard.db,
      nonce: randomUUID,
      log: () => undefined,
      dispatcher: deps().dispatcher,
    });
    await clearing.carryOut(asId<HostName>('comp1'));
    while ((await evictions()).length > 0) await sleep(5);
    assert.deepEqual([tasks, [...host.disks]], [['disk.evict'], []]);
  });
});
