import { runOperation } from '#queues/conductor/engine.ts';
import type { Questions } from '#queues/questions.ts';
import { afterRestore } from '#queues/restored/after-restore.ts';
import type { VolumePlan } from '#queues/restored/plan.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import type { ComputeInventory, ExportItem, StorageInventory } from '#schema/inventory.ts';
import { type TaskEnvelope, TaskError, type TaskInput, type TaskName } from '#schema/tasks.ts';
import { engineParts } from '#test/support/engine.ts';
import { SIZE_GIB, type Yard } from '#test/support/yard.ts';

const GIB = 1024 ** 3;

interface Data {
  readonly text: string;
  readonly luks: boolean | null;
}

/** Storage hosts and one hypervisor in memory: what they hold survives whatever happens to MySQL, and so do their journals. */
export class Hosts {
  readonly yard: Yard;
  /** By `agent/backend volume`. */
  readonly data = new Map<string, Data>();
  /** By volume. */
  readonly exports = new Map<string, Pick<ExportItem, 'initiators' | 'sessions'>>();
  /** Volumes that the yard's server has. */
  readonly disks = new Set<string>();
  readonly silent = new Set<string>();
  /** All that was asked of them, refused or not. */
  readonly asked: string[] = [];
  readonly #journal = new Map<string, number>();

  constructor(yard: Yard) {
    this.yard = yard;
  }

  put(place: string, volume: VolumeId, text: string, luks: boolean | null = false): void {
    this.data.set(`${place} ${volume}`, { text, luks });
  }

  at(place: string, volume: VolumeId): string | undefined {
    return this.data.get(`${place} ${volume}`)?.text;
  }

  /** The hosts have carried out this one for the volume. */
  carriedOut(host: string, volume: VolumeId, seq: number): void {
    this.#journal.set(`${host} ${volume}`, seq);
  }

  async run(id: OperationId): Promise<void> {
    const dispatcher = {
      run: async ({ queue, task, envelope }: { queue: string; task: TaskName; envelope: TaskEnvelope }) => {
        const host = queue.split('.')[1] ?? '';
        this.asked.push(`${host} ${task}`);
        const key = `${host} ${envelope.volumeId}`;
        if (envelope.seq < (this.#journal.get(key) ?? 0))
          throw new TaskError('stale', 'a newer task was carried out');
        this.#journal.set(key, envelope.seq);
        return this.#carryOut(host, task, envelope.input);
      },
    };
    await runOperation(
      { ...engineParts(this.yard), log: () => undefined, dispatcher },
      id,
      new AbortController().signal,
    );
  }

  #carryOut(host: string, task: TaskName, input: unknown): unknown {
    switch (task) {
      case 'export.ensure': {
        const { volumeId, backend, acls } = input as TaskInput<'export.ensure'>;
        if (acls.length === 0) return { connection: null };
        if (!this.data.has(`${host}/${backend} ${volumeId}`))
          throw new TaskError('not-found', 'there is no such volume');
        return { connection: { portals: ['127.0.0.1:3260'], iqn: 'iqn.2010-10.org.example:x', lun: 1 } };
      }
      case 'volume.copy': {
        const { volumeId, backend, from } = input as TaskInput<'volume.copy'>;
        const own = `${host}/${backend} ${volumeId}`;
        const [, source] =
          [...this.data].find(
            ([at]) =>
              at.endsWith(volumeId) &&
              at !== own &&
              (from.kind === 'export' || at.startsWith(`${host}/${from.backend} `)),
          ) ?? [];
        if (source === undefined) throw new TaskError('not-found', 'what is to be copied is not there');
        this.data.set(own, source);
        return { sizeBytes: SIZE_GIB * GIB };
      }
      case 'volume.absent': {
        const { volumeId, backend } = input as TaskInput<'volume.absent'>;
        this.data.delete(`${host}/${backend} ${volumeId}`);
        return {};
      }
      default:
        throw new Error(`no host is asked for ${task} here`);
    }
  }

  /** `bin/blockyard restored`. */
  restored(): Promise<VolumePlan[]> {
    const ask = async (host: string, name: string): Promise<unknown> => {
      if (this.silent.has(host)) throw new Error('no answer');
      return name === 'storage.inventory' ? this.#storage(host) : this.#compute();
    };
    return afterRestore({
      db: this.yard.db,
      gateway: this.yard.gateway,
      questions: { ask: ask as Questions['ask'] },
      secrets: { encrypt: () => 'sealed', chapSecret: () => 'secret' },
      clock: systemClock,
      ids: systemIds,
    });
  }

  async #storage(host: string): Promise<StorageInventory> {
    const pools = await this.yard.db
      .selectFrom('pools')
      .selectAll()
      .where('agent', '=', host as never)
      .execute();
    const backends = pools.map(({ backend_name: name }) => ({
      name,
      backendName: name,
      kind: 'file',
      place: `/srv/${name}`,
      error: null,
      items: [...this.data].flatMap(([at, { luks }]) => {
        const [place, id = ''] = at.split(' ');
        if (place !== `${host}/${name}`) return [];
        const item = { kind: 'volume' as const, name: `volume-${id}`, id, sizeBytes: SIZE_GIB * GIB };
        return [{ ...item, origin: null, open: null, unfit: null, luks }];
      }),
    }));
    const exports = [...this.exports].map(([volumeId, who]) => {
      const target = { volumeId, iqn: `iqn.2010-10.org.blockyard:volume-${volumeId}`, path: '/x', lun: 1 };
      return { ...target, serial: volumeId, ...who };
    });
    return { bootId: 'boot', backends, exports, exportsError: null };
  }

  #compute(): ComputeInventory {
    const disks = [...this.disks].map((volumeId) => ({
      volumeId,
      target: 'vdb',
      serial: volumeId,
      alias: null,
      source: null,
      sourceVolumeId: volumeId,
      readOnly: false,
      iotune: {},
    }));
    return {
      domains: [{ id: this.yard.server, name: 's', live: disks, config: disks }],
      secrets: [],
      connections: [],
    };
  }
}
