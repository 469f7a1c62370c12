import type { Kysely } from 'kysely';
import { asId, type HostName, type PoolName, type VolumeId } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import type { Tables } from '#schema/tables.ts';
import { TaskError } from '#schema/tasks.ts';
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

const ATTEMPTS = 20;
const AGAIN_MS = 1_000;
const WITHIN_MS = 60_000;

/**
 * Has a storage host that started anew make every export again that should exist. Each volume is a task of its own,
 * so one that cannot be exported keeps no other waiting.
 */
export async function restoreExports(deps: Deps, host: HostName, signal: AbortSignal): Promise<void> {
  const rows = await deps.db
    .selectFrom('volumes')
    .innerJoin('attachments', 'attachments.volume_id', 'volumes.id')
    .select('volumes.id')
    .distinct()
    .where('volumes.pool', 'like', asId<PoolName>(`${host.replaceAll(/[_%\\]/g, String.raw`\$&`)}@%`))
    .where('attachments.chap_secret', 'is not', null)
    .execute();
  await Promise.all(rows.map(({ id }) => restoreOne(deps, host, id, signal)));
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
      deps.log(`restoring the export of ${id}: ${error.message}`);
      await deps.pause(AGAIN_MS, signal);
    }
  }
}

/**
 * What the export should be now, and a sequence number that is not newer than the steps still to come of an operation
 * that holds the volume.
 */
async function currentExport(
  db: Kysely<Tables>,
  id: VolumeId,
): Promise<
  { seq: number; input: { volumeId: string; backend: string; acls: ReturnType<typeof aclsOf> } } | undefined
> {
  return db.transaction().execute(async (trx) => {
    const volume = await trx
      .selectFrom('volumes')
      .leftJoin('operations', 'operations.id', 'volumes.operation_id')
      .select(['volumes.pool', 'volumes.seq', 'operations.id as holder', 'operations.seq_base'])
      .where('volumes.id', '=', id)
      .executeTakeFirst();
    if (volume?.pool == null) return undefined;
    const attachments = await trx.selectFrom('attachments').selectAll().where('volume_id', '=', id).execute();
    const acls = aclsOf(attachments);
    if (acls.length === 0) return undefined;
    const steps =
      volume.holder === null
        ? []
        : await trx
            .selectFrom('operation_steps')
            .select('position')
            .where('operation_id', '=', volume.holder)
            .execute();
    const seq = volume.seq_base === null ? volume.seq : volume.seq_base + Math.max(0, steps.length - 1);
    return { seq, input: { volumeId: id, backend: poolParts(volume.pool).backend, acls } };
  });
}
