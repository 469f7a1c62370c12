import type { Kysely } from 'kysely';
import { asId, type HostName, type PoolName, type VolumeId } from '#schema/ids.ts';
import { type OperationKind, SEQ_PER_OPERATION } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import type { Tables } from '#schema/tables.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { aclsOf } from '../flows/exports.ts';
import { agentQueue } from '../names.ts';
import type { EngineDeps } from './deps.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly dispatcher: EngineDeps['dispatcher'];
  readonly pause: EngineDeps['pause'];
  readonly nonce: () => string;
  readonly log: (line: string) => void;
}

/** As many as the longest operation lasts: while one holds the volume, its export may have to wait for its end. */
const ATTEMPTS = 300;
const AGAIN_MS = 1_000;
const WITHIN_MS = 60_000;

/**
 * Has a storage host that started anew make every export again that should exist, and then writes down that it has. Each
 * volume is a task of its own, so one that cannot be exported keeps no other waiting.
 */
export async function restoreExports(
  deps: Deps,
  host: HostName,
  bootId: string,
  signal: AbortSignal,
): Promise<void> {
  const rows = await deps.db
    .selectFrom('volumes')
    .innerJoin('attachments', 'attachments.volume_id', 'volumes.id')
    .select('volumes.id')
    .distinct()
    .where('volumes.pool', 'like', asId<PoolName>(`${host.replaceAll(/[_%\\]/g, String.raw`\$&`)}@%`))
    .where('attachments.chap_secret', 'is not', null)
    .execute();
  await Promise.all(rows.map(({ id }) => restoreOne(deps, host, id, signal)));
  await deps.db
    .updateTable('services')
    .set({ boot_id: bootId })
    .where('binary', '=', 'blockyard-storage')
    .where('agent', '=', host)
    .execute();
}

async function restoreOne(deps: Deps, host: HostName, id: VolumeId, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const wanted = await currentExport(deps.db, id);
    if (wanted === undefined) return;
    try {
      await deps.dispatcher.run(
        {
          queue: agentQueue('storage', host),
          jobId: `restore.${id}.${deps.nonce()}`,
          task: 'export.ensure',
          envelope: { volumeId: id, seq: wanted.seq, requestId: 'restore', input: wanted.input },
        },
        WITHIN_MS,
      );
      return;
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      // `stale`: an operation's own step was quicker. Its view may be older than the restart: look again.
      if (error.code !== 'stale') deps.log(`restoring the export of ${id}: ${error.message}`);
      if (error.code !== 'stale' && error.code !== 'failed') return;
      await deps.pause(AGAIN_MS, signal);
    }
  }
}

/**
 * Which of the numbers of the operation that holds the volume a restored export has. It may equal that of a step that
 * leaves all accounts in place: either order of the two comes to the same. It must not be newer than a storage step
 * still to come, nor as new as the one that takes an account away.
 */
const OFFSET: { readonly [K in OperationKind]: number } = {
  'volume.create': 0,
  'volume.delete': -1,
  'volume.attach': 0,
  'volume.detach': 0,
  // Its own first number, which no task has: older than the cut.
  'volume.force-detach': 0,
  'volume.extend': 1,
  'qos.apply': 0,
  'attachment.export': 0,
  'attachment.revoke': -1,
  'snapshot.create': 0,
  'snapshot.delete': 0,
  'volume.upload': 0,
  'volume.repair': 0,
  'volume.manage': 0,
  'volume.unmanage': -1,
  'volume.revert': -1,
  'volume.reimage': -1,
  // In use it is only told another type; one that moves has nobody who must come back.
  'volume.retype': 0,
  'volume.migrate': -1,
  'snapshot.manage': 0,
  'snapshot.unmanage': 0,
  // These hold their backup.
  'backup.create': 0,
  'backup.delete': 0,
  'backup.import': 0,
  'backup.restore': -1,
  'server.create': 1,
  'server.delete': 0,
  'server.power': 0,
};

/** What the export should be now, and its sequence number; when nobody holds the volume, the newest operation's last. */
async function currentExport(
  db: Kysely<Tables>,
  id: VolumeId,
): Promise<{ seq: number; input: TaskInput<'export.ensure'> } | undefined> {
  return db.transaction().execute(async (trx) => {
    const volume = await trx
      .selectFrom('volumes')
      .leftJoin('operations', 'operations.id', 'volumes.operation_id')
      .select(['volumes.pool', 'volumes.number', 'volumes.seq', 'volumes.multiattach'])
      .select(['operations.seq_base', 'operations.kind', 'operations.state'])
      .where('volumes.id', '=', id)
      .executeTakeFirst();
    // Whom to let in to one that is held (queues/restored/hold.ts) nobody knows.
    if (volume?.pool == null || volume.state === 'stuck') return undefined;
    const attachments = await trx.selectFrom('attachments').selectAll().where('volume_id', '=', id).execute();
    const acls = aclsOf(volume, attachments);
    if (acls.length === 0) return undefined;
    const seq =
      volume.seq_base === null
        ? volume.seq + SEQ_PER_OPERATION - 1
        : volume.seq_base + OFFSET[volume.kind as OperationKind];
    const { backend } = poolParts(volume.pool);
    return { seq, input: { volumeId: id, backend, number: volume.number, acls } };
  });
}
