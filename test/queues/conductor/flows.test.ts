import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EngineDeps } from '#queues/conductor/deps.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import { FLOWS } from '#queues/flows/index.ts';
import {
  type AttachmentId,
  asId,
  type BackupId,
  type HostName,
  type OperationId,
  type VolumeId,
} from '#schema/ids.ts';
import type { BackupData, MoveInput, OperationKind } from '#schema/operations.ts';
import type { BackupStatus } from '#schema/states.ts';
import { TaskError } from '#schema/tasks.ts';
import { engineParts } from '#test/support/engine.ts';
import { ModelHost } from '#test/support/model-host.ts';
import { createYard, SIZE_GIB, type Yard } from '#test/support/yard.ts';

/**
 * The harness that every flow goes through: each step fails before and after its effect, each step and each undo
 * runs twice, and the conductor dies before and after each step; then nothing may be left on either side.
 */

type Scenario = (yard: Yard, host: ModelHost) => Promise<OperationId>;

/** Where each flow begins: what the API has committed and what the hosts have by then. */
const SCENARIOS: { readonly [K in OperationKind]: Scenario } = {
  'volume.create': async (yard) => yard.begin('volume.create', await yard.addVolume('creating', false), {}),
  async 'volume.delete'(yard, host) {
    const volume = await existing(yard, host, 'deleting');
    return yard.begin('volume.delete', volume, {});
  },
  async 'volume.attach'(yard, host) {
    const volume = await existing(yard, host, 'attaching');
    const attachment = await yard.addAttachment(volume, 'attaching', 1);
    return yard.begin('volume.attach', volume, { device: null }, attachment);
  },
  async 'volume.detach'(yard, host) {
    const [volume, attachment] = await attached(yard, host, 'detaching');
    await yard.db.updateTable('attachments').set({ status: 'detaching' }).execute();
    return yard.begin('volume.detach', volume, {}, attachment);
  },
  async 'volume.force-detach'(yard, host) {
    const [volume, attachment] = await attached(yard, host, 'detaching');
    await yard.db.updateTable('attachments').set({ status: 'detaching' }).execute();
    return yard.begin('volume.force-detach', volume, {}, attachment);
  },
  async 'volume.extend'(yard, host) {
    const [volume] = await attached(yard, host, 'extending');
    return yard.begin('volume.extend', volume, { fromGib: SIZE_GIB, toGib: SIZE_GIB + 3 });
  },
  async 'qos.apply'(yard, host) {
    const [volume, attachment] = await attached(yard, host, 'in-use');
    return yard.begin('qos.apply', volume, { before: { read_iops_sec: 7 } }, attachment);
  },
  async 'attachment.export'(yard, host) {
    const volume = await existing(yard, host, 'reserved');
    const attachment = await yard.addAttachment(volume, 'attaching', 0);
    return yard.begin('attachment.export', volume, { createdHere: true }, attachment);
  },
  async 'attachment.revoke'(yard, host) {
    const volume = await existing(yard, host, 'detaching');
    const attachment = await yard.addAttachment(volume, 'detaching', 0);
    host.exports.set(volume, [`iqn.2010-10.org.blockyard:host:comp1 user-${attachment}`]);
    return yard.begin('attachment.revoke', volume, {}, attachment);
  },
  async 'server.create'(yard, host) {
    const volume = await existing(yard, host, 'attaching');
    await yard.addServer(volume, 'BUILD', 'scheduling');
    const attachment = await yard.addAttachment(volume, 'attaching', 1);
    await yard.db.updateTable('attachments').set({ boot_index: 0, host: null, initiator: null }).execute();
    const input = { serverId: yard.server, availabilityZone: 'nova', host: null, madeVolume: false };
    return yard.begin('server.create', volume, input, attachment);
  },
  async 'server.delete'(yard, host) {
    const [volume, attachment] = await booted(yard, host, 'deleting');
    await yard.db.updateTable('attachments').set({ status: 'detaching' }).execute();
    await yard.db.updateTable('volumes').set({ status: 'detaching' }).execute();
    return yard.begin('server.delete', volume, { serverId: yard.server, takesVolume: false }, attachment);
  },
  async 'server.power'(yard, host) {
    const [volume, attachment] = await booted(yard, host, 'powering-off');
    return yard.begin('server.power', volume, { serverId: yard.server, action: 'stop' }, attachment);
  },
  async 'snapshot.create'(yard, host) {
    const [volume] = await attached(yard, host, 'in-use');
    const snapshotId = await yard.addSnapshot(volume, 'creating');
    return yard.begin('snapshot.create', volume, { snapshotId });
  },
  async 'snapshot.delete'(yard, host) {
    const volume = await existing(yard, host, 'available');
    const snapshotId = await yard.addSnapshot(volume, 'deleting');
    host.snapshots.set(snapshotId, volume);
    return yard.begin('snapshot.delete', volume, { snapshotId });
  },
  async 'volume.repair'(yard, host) {
    const [volume, attachment] = await attached(yard, host, 'in-use');
    host.exports.delete(volume);
    host.disks.clear();
    return yard.begin('volume.repair', volume, { what: 'plug' }, attachment);
  },
  async 'volume.manage'(yard, host) {
    host.strangers.add('theirs');
    return yard.begin('volume.manage', await yard.addVolume('managing', false), {
      name: 'theirs',
      pool: yard.pool,
    });
  },
  async 'volume.unmanage'(yard, host) {
    const volume = await existing(yard, host, 'unmanaging');
    return yard.begin('volume.unmanage', volume, { name: `unmanaged-${volume}` });
  },
  async 'volume.revert'(yard, host) {
    const volume = await existing(yard, host, 'reverting');
    const snapshotId = await yard.addSnapshot(volume, 'restoring');
    host.snapshots.set(snapshotId, volume);
    return yard.begin('volume.revert', volume, { snapshotId });
  },
  async 'volume.reimage'(yard, host) {
    const volume = await existing(yard, host, 'downloading');
    return yard.begin('volume.reimage', volume, { image: IMAGE.image, metadata: { image_id: 'other' } });
  },
  async 'volume.migrate'(yard, host) {
    const volume = await existing(yard, host, 'maintenance');
    const pool = await yard.addPool('stor2', 'more');
    return yard.begin('volume.migrate', volume, { pool, policy: 'on-demand', account: ACCOUNT });
  },
  async 'volume.retype'(yard, host) {
    const volume = await existing(yard, host, 'retyping');
    await yard.addPool('stor1', 'more');
    const type = { id: await yard.addType({ volume_backend_name: 'more' }), multiattach: true };
    return yard.begin('volume.retype', volume, { type, policy: 'on-demand', account: ACCOUNT });
  },
  async 'snapshot.manage'(yard, host) {
    const volume = await existing(yard, host, 'available');
    host.strangers.add('theirs');
    const snapshotId = await yard.addSnapshot(volume, 'creating');
    return yard.begin('snapshot.manage', volume, { snapshotId, name: 'theirs' });
  },
  async 'snapshot.unmanage'(yard, host) {
    const volume = await existing(yard, host, 'available');
    const snapshotId = await yard.addSnapshot(volume, 'unmanaging');
    host.snapshots.set(snapshotId, volume);
    return yard.begin('snapshot.unmanage', volume, { snapshotId, name: 'left' });
  },
  async 'volume.upload'(yard, host) {
    const volume = await existing(yard, host, 'uploading');
    return yard.begin('volume.upload', volume, { imageId: await yard.addImage(), diskFormat: 'qcow2' });
  },
  async 'backup.create'(yard, host) {
    const volume = await existing(yard, host, 'backing-up');
    const backup = await yard.addBackup(volume, 'creating');
    const input = { data: dataOf(volume, backup), pool: yard.pool, snapshotId: null };
    return yard.begin('backup.create', volume, input, undefined, backup);
  },
  async 'backup.delete'(yard, host) {
    const [volume, backup] = await backedUp(yard, host, 'deleting');
    const input = { data: dataOf(volume, backup), host: asId<HostName>('stor1') };
    return yard.begin('backup.delete', volume, input, undefined, backup);
  },
  async 'backup.import'(yard, host) {
    const [volume, backup] = await backedUp(yard, host, 'creating');
    const input = { data: dataOf(volume, backup), host: asId<HostName>('stor1') };
    return yard.begin('backup.import', volume, input, undefined, backup);
  },
  async 'backup.restore'(yard, host) {
    const volume = await existing(yard, host, 'restoring-backup');
    const backup = await yard.addBackup(volume, 'restoring');
    host.backups.set(backup, volume);
    return yard.begin('backup.restore', volume, { data: dataOf(volume, backup), backupId: backup });
  },
};

function keysOf(input: string): { readonly from: string | null; readonly to: string | null } {
  const { keys } = JSON.parse(input) as MoveInput;
  return keys ?? { from: null, to: null };
}

function dataOf(volume: VolumeId, backup: BackupId): BackupData {
  return { store: 'store', repository: volume, dataId: backup };
}

/** A backup whose volume is long gone. */
async function backedUp(yard: Yard, host: ModelHost, status: BackupStatus): Promise<[VolumeId, BackupId]> {
  const volume = asId<VolumeId>(randomUUID());
  const backup = await yard.addBackup(volume, status);
  host.backups.set(backup, volume);
  return [volume, backup];
}

const IMAGE = {
  kind: 'image' as const,
  image: { id: randomUUID(), diskFormat: 'qcow2' as const, sizeBytes: 1_024, md5: null, sha512: null },
};
const ACCOUNT = { username: 'mover', secret: 'sealed' };

/** Every kind of operation, and what else deserves all of this. */
const CASES: readonly (readonly [string, OperationKind, Scenario])[] = [
  ...(Object.entries(SCENARIOS) as [OperationKind, Scenario][]).map(
    ([kind, begin]) => [kind, kind, begin] as const,
  ),
  [
    'volume.repair, a disk too many',
    'volume.repair',
    async (yard, host) => {
      const volume = await existing(yard, host, 'in-use');
      host.exports.set(volume, ['iqn.2010-10.org.blockyard:host:comp1 somebody']);
      host.disks.set(`${yard.server} ${volume}`, { device: '/dev/vdb', iotune: {} });
      return yard.begin('volume.repair', volume, { what: 'unplug', host: 'comp1', serverId: yard.server });
    },
  ],
  [
    'volume.repair, what is left',
    'volume.repair',
    async (yard, host) => {
      const volume = await existing(yard, host, 'in-use');
      host.leftovers.add(`copying-${volume}`);
      const what = { backend: 'files', kind: 'copying', id: volume } as const;
      return yard.begin('volume.repair', volume, { what: 'remove', host: 'stor1', ...what });
    },
  ],
  [
    'backup.create, of a snapshot of a volume in use',
    'backup.create',
    async (yard, host) => {
      const [volume] = await attached(yard, host, 'in-use');
      const snapshotId = await yard.addSnapshot(volume, 'backing-up');
      host.snapshots.set(snapshotId, volume);
      const backup = await yard.addBackup(volume, 'creating');
      const input = { data: dataOf(volume, backup), pool: yard.pool, snapshotId };
      return yard.begin('backup.create', volume, input, undefined, backup);
    },
  ],
  [
    'volume.create, filled from a backup',
    'volume.create',
    async (yard, host) => {
      const [gone, backup] = await backedUp(yard, host, 'restoring');
      const capabilities = JSON.stringify({ backup_store: 'store' });
      await yard.db.updateTable('pools').set({ capabilities }).execute();
      const source = { kind: 'backup' as const, backupId: backup, ...dataOf(gone, backup) };
      return yard.begin('volume.create', await yard.addVolume('creating', false), { source });
    },
  ],
  [
    'volume.upload, of an encrypted volume',
    'volume.upload',
    async (yard, host) => {
      const volume = await existing(yard, host, 'uploading');
      const [imageId, keyId] = [await yard.addImage(), await yard.addKey()];
      await yard.db.updateTable('images').set({ encryption_key_id: keyId }).execute();
      return yard.begin('volume.upload', volume, { imageId, diskFormat: 'raw', keyId });
    },
  ],
  [
    'backup.restore, over a volume with another key',
    'backup.restore',
    async (yard, host) => {
      const volume = await existing(yard, host, 'restoring-backup');
      const [backup, keyId] = [await yard.addBackup(volume, 'restoring'), await yard.addKey()];
      await yard.db
        .updateTable('volumes')
        .set({ encryption_key_id: await yard.addKey() })
        .execute();
      host.backups.set(backup, volume);
      const input = { data: dataOf(volume, backup), backupId: backup, keyId };
      return yard.begin('backup.restore', volume, input);
    },
  ],
  ...(['clear', 'anew', 'elsewhere'] as const).map(
    (how) =>
      [
        `volume.retype, to another encryption: ${how}`,
        'volume.retype',
        async (yard: Yard, host: ModelHost) => {
          const volume = await existing(yard, host, 'retyping');
          const [from, to] = [await yard.addKey(), how === 'clear' ? null : await yard.addKey()];
          await yard.db.updateTable('volumes').set({ encryption_key_id: from }).execute();
          host.encrypted.set(volume, 'sealed');
          await yard.addPool('stor1', 'more');
          const specs = how === 'elsewhere' ? { volume_backend_name: 'more' } : {};
          const type = { id: await yard.addType(specs), multiattach: false };
          const input = { type, policy: 'on-demand', account: ACCOUNT, keys: { from, to } } as const;
          return yard.begin('volume.retype', volume, input);
        },
      ] as const,
  ),
  [
    'volume.create, filled from an image',
    'volume.create',
    async (yard) =>
      yard.begin('volume.create', await yard.addVolume('creating', false), {
        source: IMAGE,
        pool: yard.pool,
      }),
  ],
];

async function existing(
  yard: Yard,
  host: ModelHost,
  status: Parameters<Yard['addVolume']>[0],
): Promise<VolumeId> {
  const volume = await yard.addVolume(status, true);
  host.volumes.set(volume, SIZE_GIB);
  return volume;
}

async function attached(
  yard: Yard,
  host: ModelHost,
  status: Parameters<Yard['addVolume']>[0],
): Promise<[VolumeId, AttachmentId]> {
  const volume = await existing(yard, host, status);
  const attachment = await yard.addAttachment(volume, 'attached', 1);
  host.exports.set(volume, [`iqn.2010-10.org.blockyard:host:comp1 user-${attachment}`]);
  host.disks.set(`${yard.server} ${volume}`, { device: '/dev/vdb', iotune: { read_iops_sec: 7 } });
  return [volume, attachment];
}

async function booted(yard: Yard, host: ModelHost, taskState: string): Promise<[VolumeId, AttachmentId]> {
  const [volume, attachment] = await attached(yard, host, 'in-use');
  await yard.db.updateTable('attachments').set({ boot_index: 0 }).execute();
  await yard.addServer(volume, 'ACTIVE', taskState);
  host.servers.set(yard.server, 'on');
  return [volume, attachment];
}

interface Fault {
  /** Which task, counted over the whole operation from 0; undos count on. */
  readonly at: number;
  readonly when: 'before' | 'after' | 'twice';
  readonly what: 'fails' | 'conductor dies' | 'repeats';
}

class Died extends Error {
  override readonly name = 'AbortError';
}

/** Runs the operation to its end over the model, with faults; a conductor that died has a successor. */
async function run(
  yard: Yard,
  host: ModelHost,
  id: OperationId,
  faults: readonly Fault[],
  during: () => Promise<void> = async () => undefined,
): Promise<number> {
  let task = 0;
  const newest = new Map<string, number>();
  const deps: EngineDeps = {
    ...engineParts(yard),
    dispatcher: {
      async run(dispatch) {
        const index = task++;
        const fault = faults.find(({ at }) => at === index);
        const fail = (): never => {
          if (fault?.what === 'conductor dies') throw new Died('the conductor is gone');
          throw new TaskError('invalid', 'planted fault');
        };
        await during();
        if (fault?.what === 'conductor dies' && fault.when === 'before') fail();
        // As agents do, whose journals outlive the conductor.
        const { queue, envelope } = dispatch;
        const line = `${queue} ${envelope.volumeId}`;
        if (envelope.seq < (newest.get(line) ?? 0))
          throw new TaskError('stale', 'older than what was done since');
        newest.set(line, envelope.seq);
        if (fault?.when === 'before') fail();
        let output = host.carryOut(dispatch.task, dispatch.envelope.input);
        if (fault?.when === 'twice') output = host.carryOut(dispatch.task, dispatch.envelope.input);
        if (fault?.when === 'after') fail();
        return output;
      },
    },
  };
  for (let life = 0; life < 5; life++) {
    try {
      await runOperation(deps, id, new AbortController().signal);
      return task;
    } catch (error) {
      assert.ok(error instanceof Died, String(error));
      // What the sweeper does for the operations of a dead conductor.
      await yard.db.updateTable('operations').set({ owner: null }).execute();
    }
  }
  throw new Error('the operation did not end');
}

async function outcome(
  yard: Yard,
  host: ModelHost,
  id: OperationId,
): Promise<{ state: string; rows: object; hosts: object }> {
  const { state } = await yard.db
    .selectFrom('operations')
    .select('state')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return { state, rows: await yard.state(), hosts: host.state() };
}

/** Ids differ from run to run; the places they stand in must not. */
function anonymous(value: unknown): unknown {
  const names = new Map<string, string>();
  const text = JSON.stringify(value).replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
    if (!names.has(id)) names.set(id, `id-${names.size}`);
    return names.get(id) ?? '';
  });
  return JSON.parse(text);
}

for (const [label, kind, begin] of CASES) {
  describe(`flow ${label}`, function () {
    // Each step of a long flow, each way, one after the other.
    this.timeout(180_000);
    let yard: Yard;
    let tasks = 0;
    /** The rows that had something to do, in order. */
    let names: string[] = [];
    let clean: unknown;

    beforeEach(async () => {
      yard = await createYard();
    });
    afterEach(async () => {
      await yard[Symbol.asyncDispose]();
    });

    async function play(
      ...faults: Fault[]
    ): Promise<Awaited<ReturnType<typeof outcome>> & { tasks: number }> {
      const host = new ModelHost();
      const id = await begin(yard, host);
      const count = await run(yard, host, id, faults);
      return { ...(await outcome(yard, host, id)), tasks: count };
    }

    it('is done, lets go of the volume, and keeps a timeline', async () => {
      const { tasks: count, ...end } = await play();
      tasks = count;
      clean = anonymous(end);
      assert.equal(end.state, 'done');
      assert.deepEqual(
        await yard.db.selectFrom('volumes').select('id').where('operation_id', 'is not', null).execute(),
        [],
      );
      const steps = await yard.db.selectFrom('operation_steps').selectAll().orderBy('position').execute();
      assert.deepEqual(
        steps.map(({ name, state }) => [name, state]),
        FLOWS[kind].rows
          .filter(({ name }) => steps.some((step) => step.name === name))
          .map(({ name }) => [name, 'done']),
      );
      assert.ok(steps.length >= tasks);
      names = steps.filter(({ host }) => host !== 'conductor').map(({ name }) => name);
    });

    it('comes to the same end when each step runs twice', async () => {
      for (let at = 0; at < tasks; at++) {
        await yard[Symbol.asyncDispose]();
        yard = await createYard();
        const { tasks: _, ...end } = await play({ at, when: 'twice', what: 'repeats' });
        assert.deepEqual(anonymous(end), clean, `task ${at} ran twice`);
      }
    });

    it('comes to the same end when the conductor dies at each step', async () => {
      for (let at = 0; at < tasks; at++) {
        for (const when of ['before', 'after'] as const) {
          await yard[Symbol.asyncDispose]();
          yard = await createYard();
          const { tasks: _, ...end } = await play({ at, when, what: 'conductor dies' });
          assert.deepEqual(anonymous(end), clean, `conductor died ${when} task ${at}`);
        }
      }
    });

    it('writes nothing more once another conductor has taken the operation over', async () => {
      const host = new ModelHost();
      const id = await begin(yard, host);
      const before = await yard.state();
      await run(yard, host, id, [], async () => {
        await yard.db
          .updateTable('operations')
          .set((eb) => ({ epoch: eb('epoch', '+', 1), owner: 'other/1' }))
          .execute();
      });
      const { state, owner } = await yard.db.selectFrom('operations').selectAll().executeTakeFirstOrThrow();
      assert.deepEqual([state, owner], ['running', 'other/1']);
      // What a row of the conductor's own did before the take-over stays; the flow's end does not come.
      const volumes = (await yard.state()) as { volumes: { status: string }[] };
      assert.equal(volumes.volumes[0]?.status, (before as typeof volumes).volumes[0]?.status);
    });

    it('leaves nothing behind when a step fails, before or after its effect, and when its undo runs twice', async () => {
      for (let at = 0; at < tasks; at++) {
        for (const when of ['before', 'after'] as const) {
          for (const second of [undefined, 'repeats', 'conductor dies'] as const) {
            await yard[Symbol.asyncDispose]();
            yard = await createYard();
            const again: Fault[] =
              second === undefined
                ? []
                : [{ at: at + 1, when: second === 'repeats' ? 'twice' : 'after', what: second }];
            const { state, rows, hosts } = await play({ at, when, what: 'fails' }, ...again);
            const label = `task ${at} failed ${when} its effect, then ${second ?? 'nothing'}`;
            await assertClean(yard, kind, state, rows, hosts, names[at] ?? '', label);
          }
        }
      }
    });
  });
}

/** Not attached, and not shut out. */
async function assertDetaching(yard: Yard, exports: object, label: string): Promise<void> {
  const attachments = await yard.db.selectFrom('attachments').select('status').execute();
  assert.deepEqual([attachments, Object.keys(exports).length], [[{ status: 'error_detaching' }], 1], label);
}

/** What "nothing left" means at the end of a flow that failed at `row`. */
async function assertClean(
  yard: Yard,
  kind: OperationKind,
  state: string,
  rows: object,
  hosts: object,
  row: string,
  label: string,
): Promise<void> {
  const [volume] = await yard.db.selectFrom('volumes').selectAll().execute();
  const { error, input } = await yard.db
    .selectFrom('operations')
    .select(['error', 'input'])
    .executeTakeFirstOrThrow();
  const { exports, disks, volumes } = hosts as {
    exports: object;
    disks: object;
    volumes: Record<string, number>;
  };
  if (volume !== undefined) assert.equal(volume.operation_id, null, `${label}: the volume is let go`);
  if (state !== 'done') assert.match(error ?? '', /planted fault/, `${label}: the reason is kept`);
  switch (kind) {
    case 'volume.create':
      assert.deepEqual([state, volume?.status, volume?.pool, volumes], ['undone', 'error', null, {}], label);
      assert.deepEqual((rows as { pools: object[] }).pools, [
        { name: yard.pool, allocated_gib: 0, free_gib: 100, volume_count: 0 },
      ]);
      return;
    case 'volume.delete':
      assert.deepEqual([state, volume?.status], ['stuck', 'error_deleting'], label);
      return;
    case 'volume.attach':
    case 'attachment.export':
      assert.deepEqual([state, volume?.status, exports, disks], ['undone', 'available', {}, {}], label);
      assert.deepEqual(await yard.db.selectFrom('attachments').select('id').execute(), [], label);
      return;
    case 'volume.detach':
    case 'attachment.revoke':
      assert.equal(state, 'stuck', label);
      if (row === 'revoke') assert.deepEqual(disks, {}, label);
      // Whether the guest still has it only the agent could have said.
      else await assertDetaching(yard, exports, label);
      return;
    case 'volume.force-detach':
      // Nothing was asked of the host, and while the target's word is out nothing is free.
      assert.deepEqual([state, volume?.status, Object.keys(disks).length], ['stuck', 'error', 1], label);
      assert.deepEqual((rows as { evictions: object[] }).evictions, [], label);
      return;
    case 'volume.extend':
      if (row === 'grow')
        assert.deepEqual([state, volume?.status, volume?.size_gib], ['undone', 'in-use', SIZE_GIB], label);
      else
        assert.deepEqual([state, volume?.status, volume?.size_gib], ['done', 'in-use', SIZE_GIB + 3], label);
      return;
    case 'qos.apply':
      assert.deepEqual([state, volume?.status], ['undone', 'in-use'], label);
      assert.deepEqual(
        Object.values(disks as Record<string, { iotune: object }>)[0]?.iotune,
        { read_iops_sec: 7 },
        label,
      );
      return;
    case 'server.create': {
      const { servers } = rows as {
        servers: { host: null; status: string; task_state: null; fault: string }[];
      };
      assert.deepEqual([state, volume?.status, exports, disks], ['undone', 'available', {}, {}], label);
      assert.deepEqual((hosts as { servers: object }).servers, {}, label);
      assert.match(servers[0]?.fault ?? '', /planted fault/, label);
      assert.deepEqual(servers[0], { ...servers[0], host: null, status: 'ERROR', task_state: null }, label);
      assert.deepEqual(await yard.db.selectFrom('attachments').select('id').execute(), [], label);
      return;
    }
    case 'server.delete':
      assert.deepEqual([state, volume?.status], ['stuck', 'error'], label);
      if (row === 'revoke') assert.deepEqual(disks, {}, label);
      else await assertDetaching(yard, exports, label);
      assert.deepEqual(
        (rows as { servers: { status: string; task_state: null }[] }).servers.map((each) => [
          each.status,
          each.task_state,
        ]),
        [['ERROR', null]],
        label,
      );
      return;
    case 'server.power':
      assert.deepEqual(
        [
          state,
          volume?.status,
          (rows as { servers: { status: string; task_state: null }[] }).servers[0]?.task_state,
        ],
        ['undone', 'in-use', null],
        label,
      );
      return;
    case 'snapshot.create':
    case 'snapshot.delete': {
      const undone = kind === 'snapshot.create';
      const { snapshots, pools } = rows as {
        snapshots: { status: string; reserved: number }[];
        pools: { allocated_gib: number }[];
      };
      assert.deepEqual(
        [state, volume?.status],
        undone ? ['undone', 'in-use'] : ['stuck', 'available'],
        label,
      );
      assert.deepEqual(
        [snapshots[0]?.status, snapshots[0]?.reserved, pools[0]?.allocated_gib],
        undone ? ['error', 0, SIZE_GIB] : ['error_deleting', 1, 2 * SIZE_GIB],
        label,
      );
      if (undone) assert.deepEqual((hosts as { snapshots: object }).snapshots, {}, label);
      return;
    }
    case 'volume.repair':
      assert.deepEqual([state, volume?.status], ['undone', 'in-use'], label);
      return;
    case 'volume.manage':
      assert.deepEqual([state, volume?.status, volume?.pool], ['undone', 'error_managing', null], label);
      assert.deepEqual([volumes, (hosts as { strangers: object }).strangers], [{}, ['theirs']], label);
      assert.deepEqual((rows as { pools: object[] }).pools, [
        { name: yard.pool, allocated_gib: 0, free_gib: 100, volume_count: 0 },
      ]);
      return;
    case 'backup.create': {
      const { backups, snapshots } = rows as {
        backups: { status: string; operation_id: null }[];
        snapshots: { status: string }[];
      };
      const [backup] = backups;
      assert.deepEqual([state, backup?.status, backup?.operation_id], ['undone', 'error', null], label);
      assert.equal(volume?.status, snapshots.length === 0 ? 'available' : 'in-use', label);
      assert.ok(
        snapshots.every(({ status }) => status === 'available'),
        label,
      );
      return;
    }
    case 'backup.delete':
    case 'backup.import': {
      const [backup] = (rows as { backups: { status: string; operation_id: null }[] }).backups;
      const end = kind === 'backup.delete' ? ['stuck', 'error_deleting'] : ['undone', 'error'];
      assert.deepEqual([state, backup?.status, backup?.operation_id], [...end, null], label);
      return;
    }
    case 'backup.restore': {
      const [backup] = (rows as { backups: { status: string }[] }).backups;
      const end = row === 'wipe' ? ['stuck', 'available'] : ['undone', 'error_restoring'];
      assert.deepEqual([state, volume?.status, backup?.status], [...end, 'available'], label);
      const own = volume?.encryption_key_id ?? null;
      const { keyId } = JSON.parse(input) as { keyId?: string };
      if (row === 'wipe') assert.equal(own, keyId ?? null, `${label}: the key of the data that there are`);
      assert.deepEqual((rows as { keys: object }).keys, own === null ? [] : [{ id: own }], label);
      return;
    }
    case 'volume.unmanage':
      assert.deepEqual(
        [state, volume?.status, volume?.pool],
        ['undone', 'error_unmanaging', yard.pool],
        label,
      );
      return;
    case 'volume.revert':
    case 'volume.reimage': {
      // The new data are in place all the same.
      const end = row === 'wipe' ? ['stuck', 'available'] : ['undone', 'error'];
      assert.deepEqual([state, volume?.status, volume?.pool], [...end, yard.pool], label);
      const { snapshots } = rows as { snapshots: { status: string }[] };
      for (const { status } of snapshots) assert.equal(status, 'available', label);
      const image = row === 'wipe' && kind === 'volume.reimage' ? { image_id: 'other' } : null;
      assert.deepEqual(JSON.parse(volume?.image_metadata ?? 'null'), image, label);
      return;
    }
    case 'volume.migrate':
    case 'volume.retype': {
      const { copies, homes, staged } = hosts as { copies: object; homes: object; staged: object };
      const room = (name: string) =>
        (rows as { pools: { name: string; allocated_gib: number; volume_count: number }[] }).pools
          .filter((pool) => (pool.name === yard.pool) === (name === 'here'))
          .map((pool) => [pool.allocated_gib, pool.volume_count]);
      if (row === 'remove') {
        assert.equal(state, 'stuck', label);
        assert.notEqual(volume?.pool, yard.pool, label);
        assert.deepEqual([room('here'), room('there')], [[[0, 0]], [[SIZE_GIB, 1]]], label);
      } else if (row === 'wipe') {
        // The new data are in place all the same.
        assert.deepEqual([state, volume?.pool], ['stuck', yard.pool], label);
        assert.deepEqual([room('here'), room('there')], [[[SIZE_GIB, 1]], [[0, 0]]], label);
      } else if (row === 'replace') {
        // Which of the two opens it nobody can tell from here.
        assert.deepEqual([state, volume?.status, volume?.pool], ['stuck', 'error', yard.pool], label);
        assert.equal(volume?.migration_status, 'error', label);
        const { from, to } = keysOf(input);
        assert.equal(volume?.encryption_key_id, to, label);
        const both = [from, to].filter((id) => id !== null).toSorted();
        assert.deepEqual(
          (rows as { keys: { id: string }[] }).keys.map(({ id }) => id),
          both,
          label,
        );
        return;
      } else {
        assert.deepEqual([state, volume?.pool, volume?.volume_type_id], ['undone', yard.pool, null], label);
        assert.deepEqual([copies, homes, exports, staged], [{}, {}, {}, {}], label);
        assert.deepEqual([room('here'), room('there')], [[[SIZE_GIB, 1]], [[0, 0]]], label);
      }
      const moved = row === 'remove' || row === 'wipe';
      const own = moved ? keysOf(input).to : keysOf(input).from;
      assert.equal(volume?.encryption_key_id, own, `${label}: the key of the data that there are`);
      assert.deepEqual((rows as { keys: object }).keys, own === null ? [] : [{ id: own }], label);
      assert.equal(volume?.status, 'available', label);
      assert.equal(volume?.migration_status, moved ? 'success' : 'error', label);
      return;
    }
    case 'snapshot.manage':
    case 'snapshot.unmanage': {
      const adopting = kind === 'snapshot.manage';
      const { snapshots, pools } = rows as {
        snapshots: { status: string; reserved: number }[];
        pools: { allocated_gib: number }[];
      };
      assert.deepEqual(
        [state, volume?.status, snapshots[0]?.status, snapshots[0]?.reserved, pools[0]?.allocated_gib],
        adopting
          ? ['undone', 'available', 'error', 0, SIZE_GIB]
          : ['undone', 'available', 'error_unmanaging', 1, 2 * SIZE_GIB],
        label,
      );
      if (adopting) assert.deepEqual((hosts as { strangers: object }).strangers, ['theirs'], label);
      return;
    }
    case 'volume.upload':
      assert.deepEqual(
        [state, volume?.status, (rows as { images: object }).images, (rows as { keys: object }).keys],
        ['undone', 'available', [], []],
        label,
      );
      return;
    default:
      kind satisfies never;
  }
}
