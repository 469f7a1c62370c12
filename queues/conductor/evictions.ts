import type { Kysely, Selectable } from 'kysely';
import type { HostName, VolumeId } from '#schema/ids.ts';
import type { EvictionsTable, Tables } from '#schema/tables.ts';
import { type Connection, TaskError } from '#schema/tasks.ts';
import { agentQueue } from '../names.ts';
import type { EngineDeps } from './deps.ts';
import { inColumn } from './in-column.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly dispatcher: EngineDeps['dispatcher'];
  readonly nonce: () => string;
  readonly log: (line: string) => void;
}

type Eviction = Selectable<EvictionsTable>;

/** A guest that keeps the disk is switched off after seconds; a slow host gets more time at its next report. */
const WITHIN_MS = 300_000;

/** With a newer number it might take from a guest what that has been given since: only `restored`, which asks the host first, gives one. */
const OUTRUN =
  'the host has carried out newer tasks of this volume than MySQL knows of, and may have been given it again: nothing is taken from it until "blockyard restored" has been run';

/**
 * Has hosts that are back cleared of the disks that were taken from them while they were away. To be called at each report
 * of a hypervisor; what is under way is not begun again, and what failed is tried again at the next report.
 */
export class Evictions {
  readonly #deps: Deps;
  readonly #underWay = new Set<string>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @returns what the host has yet to be rid of; the tasks for it have been sent. */
  async carryOut(host: HostName): Promise<readonly Pick<Eviction, 'volume_id' | 'server_id'>[]> {
    const all = await this.#deps.db.selectFrom('evictions').selectAll().where('host', '=', host).execute();
    const held = await this.#held(all);
    // Looked at without a lock first: few, if any.
    const given = await givenTo(
      this.#deps.db,
      host,
      all.map((row) => row.volume_id),
    );
    const rows: Eviction[] = [];
    for (const row of all) {
      const replaced = given.has(row.volume_id) && !held.has(row.volume_id) && (await this.#isReplaced(row));
      if (!replaced) rows.push(row);
    }
    for (const row of rows) {
      if (this.#underWay.has(row.id) || held.has(row.volume_id)) continue;
      this.#underWay.add(row.id);
      this.#evict(row)
        .catch((error: Error) =>
          this.#deps.log(`eviction of ${row.volume_id} from ${host}: ${error.message}`),
        )
        .finally(() => this.#underWay.delete(row.id));
    }
    return rows;
  }

  /** Volumes that `blockyard restored` keeps from everybody until it has been run again: which host has them nobody knows. */
  async #held(rows: readonly Eviction[]): Promise<ReadonlySet<string>> {
    if (rows.length === 0) return new Set();
    const volumes = await this.#deps.db
      .selectFrom('volumes')
      .innerJoin('operations', 'operations.id', 'volumes.operation_id')
      .select('volumes.id')
      .where(
        'volumes.id',
        'in',
        rows.map((row) => row.volume_id),
      )
      .where('operations.state', '=', 'stuck')
      .execute();
    return new Set(volumes.map(({ id }) => id));
  }

  async #evict(row: Eviction): Promise<void> {
    const { db, dispatcher, nonce, log } = this.#deps;
    const { id, volume_id: volumeId, server_id: serverId, host } = row;
    const connection = row.connection === null ? null : (JSON.parse(row.connection) as Connection | null);
    try {
      await dispatcher.run(
        {
          queue: agentQueue('compute', host),
          jobId: `evict.${id}.${nonce()}`,
          task: 'disk.evict',
          envelope: {
            volumeId,
            seq: row.seq,
            requestId: `evict-${id}`,
            input: { volumeId, serverId, connection, root: row.root === 1 },
          },
        },
        WITHIN_MS,
        'fail',
      );
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      if (error.code === 'stale' && (await this.#isReplaced(row))) return;
      await db
        .updateTable('evictions')
        .set({ error: inColumn(error.code === 'stale' ? OUTRUN : error.message) })
        .where('id', '=', id)
        .execute();
      throw error;
    }
    await db.deleteFrom('evictions').where('id', '=', id).execute();
    log(`host ${host} is rid of volume ${volumeId}, which had been taken from it while it was away`);
  }

  /**
   * An attachment that the host has by now has replaced whatever was left there: to clear that away would take the host's connection
   * from whichever server has the volume.
   */
  async #isReplaced({ id, volume_id, host }: Eviction): Promise<boolean> {
    return this.#deps.db.transaction().execute(async (trx) => {
      await trx.selectFrom('volumes').select('id').where('id', '=', volume_id).forUpdate().execute();
      const replaced = (await givenTo(trx, host, [volume_id])).has(volume_id);
      if (replaced) await trx.deleteFrom('evictions').where('id', '=', id).execute();
      return replaced;
    });
  }
}

/** Which of these volumes the host has by an attachment of ours; what a client says of the name of its own host is none. */
async function givenTo(
  db: Kysely<Tables>,
  host: HostName,
  volumes: readonly VolumeId[],
): Promise<ReadonlySet<VolumeId>> {
  if (volumes.length === 0) return new Set();
  const given = await db
    .selectFrom('attachments')
    .select('volume_id')
    .where('volume_id', 'in', volumes)
    .where('host', '=', host)
    .where('managed', '=', 1)
    .where('status', '=', 'attached')
    .execute();
  return new Set(given.map(({ volume_id }) => volume_id));
}
