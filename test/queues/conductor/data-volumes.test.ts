import assert from 'node:assert/strict';
import type { EngineDeps } from '#queues/conductor/deps.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';
import { engineParts } from '#test/support/engine.ts';
import { ModelHost } from '#test/support/model-host.ts';
import { createYard, SIZE_GIB, type Yard } from '#test/support/yard.ts';

interface Fault {
  /** Which of the server's own tasks, from 0. */
  readonly at: number;
  readonly when: 'before' | 'after';
  readonly what: 'fails' | 'conductor dies';
}

class Died extends Error {
  override readonly name = 'AbortError';
}

/** Export and boot. */
const TASKS_OF_SERVER = 2;

describe('volumes that a server is made with', () => {
  let yard: Yard;
  let host: ModelHost;
  let data: { kept: VolumeId; made: VolumeId };
  beforeEach(async () => {
    yard = await createYard();
    host = new ModelHost();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  /** What the API commits: a root, a volume that was there, and one that is still to be made and goes with the server. */
  async function begin(): Promise<OperationId> {
    const root = await yard.addVolume('attaching', true);
    const kept = await yard.addVolume('attaching', true);
    for (const volume of [root, kept]) host.volumes.set(volume, SIZE_GIB);
    const made = await yard.addVolume('creating', false);
    data = { kept, made };
    await yard.addServer(root, 'BUILD', 'scheduling');
    const attachments = [];
    for (const volume of [root, kept, made])
      attachments.push(await yard.addAttachment(volume, 'attaching', 1));
    await yard.db.updateTable('attachments').set({ host: null, initiator: null }).execute();
    await yard.db
      .updateTable('attachments')
      .set({ delete_on_termination: 1 })
      .where('volume_id', '<>', root)
      .execute();
    const [first, second, third] = attachments as [never, never, never];
    await yard.db.updateTable('attachments').set({ boot_index: 0 }).where('id', '=', first).execute();
    await yard.begin('volume.create', made, { awaited: true });
    return yard.begin(
      'server.create',
      root,
      {
        serverId: yard.server,
        availabilityZone: 'nova',
        host: null,
        madeVolume: false,
        data: [
          { volumeId: kept, attachmentId: second, device: '/dev/vdf', made: false },
          { volumeId: made, attachmentId: third, device: null, made: true },
        ],
      },
      first,
    );
  }

  /** A conductor that died has a successor. */
  async function run(id: OperationId, fault?: Fault): Promise<void> {
    let task = 0;
    const deps: EngineDeps = {
      ...engineParts(yard),
      dispatcher: {
        async run({ task: name, envelope }) {
          const now = task++ === fault?.at ? fault : undefined;
          const strike = (): never => {
            if (now?.what === 'conductor dies') throw new Died('the conductor is gone');
            throw new TaskError('invalid', 'planted fault');
          };
          if (now?.when === 'before') strike();
          const output = host.carryOut(name, envelope.input);
          if (now?.when === 'after') strike();
          return output;
        },
      },
    };
    for (let life = 0; life < 3; life++) {
      try {
        return await runOperation(deps, id, new AbortController().signal);
      } catch (error) {
        if (!(error instanceof Died)) throw error;
        await yard.db.updateTable('operations').set({ owner: null }).where('id', '=', id).execute();
      }
    }
  }

  /** As the sweeper: whatever holds its volume, until nothing does. */
  async function runAll(): Promise<void> {
    for (;;) {
      const next = await yard.db
        .selectFrom('operations')
        .innerJoin('volumes', 'volumes.operation_id', 'operations.id')
        .select('operations.id')
        .where('operations.state', '=', 'queued')
        .executeTakeFirst();
      if (next === undefined) return;
      await run(next.id);
    }
  }

  const statusOf = async (id: VolumeId): Promise<string | undefined> =>
    (await yard.db.selectFrom('volumes').select('status').where('id', '=', id).executeTakeFirst())?.status;
  const begun = async (kind: string): Promise<VolumeId[]> =>
    (await yard.db.selectFrom('operations').select('volume_id').where('kind', '=', kind).execute()).map(
      ({ volume_id: volume }) => volume,
    );

  const faults = (what: Fault['what']): Fault[] =>
    Array.from({ length: TASKS_OF_SERVER }, (_, at) => [
      { at, when: 'before' as const, what },
      { at, when: 'after' as const, what },
    ]).flat();

  for (const fault of [undefined, ...faults('conductor dies')]) {
    const where = fault === undefined ? '' : `, though the conductor dies ${fault.when} task ${fault.at}`;
    it(`are attached once it runs, each once${where}`, async () => {
      await run(await begin(), fault);
      assert.deepEqual((await begun('volume.attach')).toSorted(), [data.kept, data.made].toSorted());
      await runAll();
      assert.deepEqual([await statusOf(data.kept), await statusOf(data.made)], ['in-use', 'in-use']);
      assert.equal(host.disks.size, 3);
      const { device } = host.disks.get(`${yard.server} ${data.kept}`) ?? {};
      assert.equal(device, '/dev/vdf');
    });
  }

  for (const fault of faults('fails')) {
    it(`are let go when task ${fault.at} fails ${fault.when} its effect; only what was made for it goes`, async () => {
      await run(await begin(), fault);
      await runAll();
      assert.deepEqual([await begun('volume.attach'), (await begun('volume.detach')).length], [[], 2]);
      assert.deepEqual([await statusOf(data.kept), await statusOf(data.made)], ['available', undefined]);
      assert.deepEqual(await yard.db.selectFrom('attachments').select('id').execute(), []);
      assert.deepEqual([host.exports.size, host.disks.size, host.servers.size], [0, 0, 0]);
      assert.ok(!host.volumes.has(data.made));
    });
  }

  it('are left to whoever deletes the server while it is being made', async () => {
    const id = await begin();
    const rows = await yard.db
      .selectFrom('attachments')
      .selectAll()
      .where('boot_index', 'is', null)
      .execute();
    await yard.db.updateTable('servers').set({ task_state: 'deleting' }).execute();
    for (const { id: attachment, volume_id: volume } of rows)
      await yard.begin('volume.detach', volume, { serverGone: true }, attachment);
    await run(id);
    await runAll();
    assert.deepEqual([await begun('volume.attach'), (await begun('volume.detach')).length], [[], 2]);
    // Marked, and the server was deleted as was asked.
    assert.deepEqual([await statusOf(data.kept), await statusOf(data.made)], [undefined, undefined]);
  });

  it('go with a server that is deleted while they are being attached to it, even if that fails', async () => {
    await run(await begin());
    await run((await held(data.made)) ?? assert.fail());
    const attachment = await yard.db
      .selectFrom('attachments')
      .select('id')
      .where('volume_id', '=', data.made)
      .executeTakeFirstOrThrow();
    await yard.begin('volume.detach', data.made, { serverGone: true }, attachment.id);
    await run((await held(data.made)) ?? assert.fail(), { at: 1, when: 'before', what: 'fails' });
    await runAll();
    assert.equal(await statusOf(data.made), undefined);
  });

  const held = async (volume: VolumeId): Promise<OperationId | null> =>
    (
      await yard.db
        .selectFrom('volumes')
        .select('operation_id')
        .where('id', '=', volume)
        .executeTakeFirstOrThrow()
    ).operation_id;
});
