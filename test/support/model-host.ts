import {
  TaskError,
  type TaskInput,
  type TaskName,
  type TaskOutput,
  type VolumeSource,
} from '#schema/tasks.ts';

/**
 * A storage host and a hypervisor that exist in memory only. It stands in for the real agents where a test must
 * fail or repeat every single step on purpose, which real LVM, tgt and libvirt can't be made to do. The agents
 * have suites of their own against the real programs.
 */
export class ModelHost {
  readonly volumes = new Map<string, number>();
  /** Volume → what it was filled from; those that were not show zeroes. */
  readonly filled = new Map<string, string>();
  /** Snapshot → its volume. */
  readonly snapshots = new Map<string, string>();
  /** Volumes that do not lie in `files` → where. */
  readonly homes = new Map<string, string>();
  /** Volumes that lie in a second backend too → which; whichever is removed, the other stays. */
  readonly copies = new Map<string, string>();
  /** Volumes that are not in clear → what opens them. */
  readonly encrypted = new Map<string, string>();
  /** Volumes beside which their data lie with another encryption → what opens those; null: they are in clear. */
  readonly staged = new Map<string, string | null>();
  /** Images whose data have been uploaded from here. */
  readonly uploads = new Set<string>();
  /** Backups in the store → what they are of. */
  readonly backups = new Map<string, string>();
  /** Names of what lies here and is none of ours. */
  readonly strangers = new Set<string>();
  /** `kind-id` of what an operation has left. */
  readonly leftovers = new Set<string>();
  readonly exports = new Map<string, string[]>();
  /** `server volume` → what the guest has. */
  readonly disks = new Map<string, { device: string; iotune: object; sizeBytes?: number }>();
  /** Servers that were made through the API → whether they run. */
  readonly servers = new Map<string, 'on' | 'off'>();

  carryOut(task: TaskName, input: unknown): unknown {
    return (this.#tasks[task] as (input: unknown) => unknown)(input);
  }

  /** All that could be left over, in comparable form. */
  state(): object {
    return {
      volumes: Object.fromEntries(this.volumes),
      filled: Object.fromEntries(this.filled),
      copies: Object.fromEntries(this.copies),
      homes: Object.fromEntries(this.homes),
      encrypted: Object.fromEntries(this.encrypted),
      staged: Object.fromEntries(this.staged),
      snapshots: Object.fromEntries(this.snapshots),
      uploads: [...this.uploads],
      backups: Object.fromEntries(this.backups),
      strangers: [...this.strangers],
      leftovers: [...this.leftovers],
      exports: Object.fromEntries(this.exports),
      disks: Object.fromEntries(this.disks),
      servers: Object.fromEntries(this.servers),
    };
  }

  readonly #tasks: { [N in TaskName]: (input: TaskInput<N>) => TaskOutput<N> } = {
    'volume.ensure': ({ volumeId, backend, sizeGib, source }) => {
      this.homes.set(volumeId, this.homes.get(volumeId) ?? backend);
      if (source !== undefined && !this.volumes.has(volumeId)) this.filled.set(volumeId, this.#read(source));
      return this.#size(volumeId, sizeGib);
    },
    'volume.grow': ({ volumeId, sizeGib }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      return this.#size(volumeId, sizeGib);
    },
    'volume.absent': ({ volumeId, backend }) => {
      const copy = this.copies.get(volumeId);
      if (copy === backend) {
        this.copies.delete(volumeId);
        return {};
      }
      if (this.#homeOf(volumeId) !== backend) return {};
      if (this.exports.has(volumeId)) throw new TaskError('refused', `volume ${volumeId} is exported`);
      if ([...this.snapshots.values()].includes(volumeId)) {
        throw new TaskError('refused', `volume ${volumeId} has snapshots`);
      }
      if (copy !== undefined) {
        this.homes.set(volumeId, copy);
        this.copies.delete(volumeId);
        return {};
      }
      this.volumes.delete(volumeId);
      this.homes.delete(volumeId);
      this.filled.delete(volumeId);
      return {};
    },
    'snapshot.ensure': ({ volumeId, snapshotId }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      this.snapshots.set(snapshotId, volumeId);
      return {};
    },
    'snapshot.absent': ({ snapshotId }) => {
      this.snapshots.delete(snapshotId);
      return {};
    },
    'storage.remove': ({ kind, id }) => {
      if (kind === 'snapshot') this.snapshots.delete(id);
      else this.leftovers.delete(`${kind}-${id}`);
      return {};
    },
    'export.absent': ({ volumeId }) => {
      this.exports.delete(volumeId);
      return {};
    },
    'volume.adopt': ({ volumeId, name, sizeGib }) => {
      if (!this.volumes.has(volumeId) && !this.strangers.delete(name))
        throw new TaskError('not-found', `nothing is named ${name}`);
      return this.#size(volumeId, sizeGib);
    },
    'volume.release': ({ volumeId, name }) => {
      if (this.exports.has(volumeId)) throw new TaskError('refused', `volume ${volumeId} is exported`);
      if (this.volumes.delete(volumeId)) this.strangers.add(name);
      return {};
    },
    'volume.copy': ({ volumeId, backend, from }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      if (
        from.kind === 'export' &&
        !this.exports.get(volumeId)?.some((acl) => acl.startsWith(from.initiator))
      )
        throw new TaskError('refused', 'the target does not know this initiator');
      this.copies.set(volumeId, backend);
      return this.#size(volumeId, 0);
    },
    'volume.stage': ({ volumeId, luks }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      if (this.exports.has(volumeId)) throw new TaskError('refused', `volume ${volumeId} is exported`);
      this.staged.set(volumeId, luks?.secret ?? null);
      return {};
    },
    'volume.unstage': ({ volumeId }) => {
      this.staged.delete(volumeId);
      return {};
    },
    'volume.replace': ({ volumeId }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      const secret = this.staged.get(volumeId);
      if (secret === null) this.encrypted.delete(volumeId);
      else if (secret !== undefined) this.encrypted.set(volumeId, secret);
      if (this.staged.delete(volumeId)) this.leftovers.add(`deleting-${volumeId}`);
      return {};
    },
    'volume.rewrite': ({ volumeId, source }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      if (this.exports.has(volumeId)) throw new TaskError('refused', `volume ${volumeId} is exported`);
      this.filled.set(volumeId, this.#read(source));
      this.leftovers.add(`deleting-${volumeId}`);
      return {};
    },
    'snapshot.adopt': ({ volumeId, snapshotId, name }) => {
      if (!this.snapshots.has(snapshotId) && !this.strangers.delete(name))
        throw new TaskError('not-found', `nothing is named ${name}`);
      this.snapshots.set(snapshotId, volumeId);
      return {};
    },
    'snapshot.release': ({ snapshotId, name }) => {
      if (this.snapshots.delete(snapshotId)) this.strangers.add(name);
      return {};
    },
    'connection.absent': () => ({}),
    'volume.upload': ({ volumeId, imageId }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      this.uploads.add(imageId);
      return {};
    },
    'backup.ensure': ({ volumeId, snapshotId, dataId }) => {
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      this.backups.set(dataId, snapshotId ?? volumeId);
      return { objects: 3 };
    },
    'backup.absent': ({ dataId }) => {
      this.backups.delete(dataId);
      return {};
    },
    'backup.find': ({ dataId }) => {
      if (!this.backups.has(dataId)) throw new TaskError('not-found', `no backup ${dataId}`);
      return {};
    },
    'backup.restore': ({ volumeId, dataId }) => {
      if (!this.backups.has(dataId)) throw new TaskError('not-found', `no backup ${dataId}`);
      this.filled.set(volumeId, `backup ${dataId}`);
      this.leftovers.add(`deleting-${volumeId}`);
      return {};
    },
    'export.ensure': ({ volumeId, acls }) => {
      if (acls.length === 0) {
        this.exports.delete(volumeId);
        return { connection: null };
      }
      if (!this.volumes.has(volumeId)) throw new TaskError('not-found', `no volume ${volumeId}`);
      // As LIO has it.
      if (new Set(acls.map(({ initiator }) => initiator)).size < acls.length)
        throw new TaskError('invalid', 'one initiator with two CHAP accounts');
      this.exports.set(
        volumeId,
        acls.map(({ initiator, chap }) => `${initiator} ${chap.username}`),
      );
      return {
        connection: {
          portals: ['127.0.0.1:3260'],
          iqn: `iqn.2010-10.org.blockyard:volume-${volumeId}`,
          lun: 1,
        },
      };
    },
    'disk.attach': (input) => this.#plug(input, input.device ?? '/dev/vdb'),
    'disk.detach': ({ volumeId, serverId, serverGone }) => {
      if (serverGone && this.servers.has(serverId)) this.servers.set(serverId, 'off');
      return this.#unplug(serverId, volumeId);
    },
    // The target has shut the host out: there is nothing left to protect.
    'disk.evict': ({ volumeId, serverId, root }) => {
      const had = this.disks.delete(`${serverId} ${volumeId}`);
      if (root) this.servers.delete(serverId);
      return { guest: had ? 'let-go' : 'none' };
    },
    'server.ensure': (input) => {
      const answer = this.#plug(input, '/dev/vda');
      this.servers.set(input.serverId, 'on');
      return answer;
    },
    'server.absent': ({ volumeId, serverId }) => {
      this.servers.delete(serverId);
      return this.#unplug(serverId, volumeId);
    },
    'server.power': ({ serverId, action }) => {
      if (!this.servers.has(serverId)) throw new TaskError('not-found', `no server ${serverId}`);
      this.servers.set(serverId, action === 'stop' ? 'off' : 'on');
      return {};
    },
    'disk.tune': ({ volumeId, serverId, iotune }) => {
      this.#disk(serverId, volumeId).iotune = iotune;
      return {};
    },
    'disk.resize': ({ volumeId, serverId, sizeBytes }) => {
      this.#disk(serverId, volumeId).sizeBytes = sizeBytes;
      return {};
    },
  };

  #plug(
    {
      volumeId,
      serverId,
      iotune,
      chap,
    }: Pick<TaskInput<'disk.attach'>, 'volumeId' | 'serverId' | 'iotune' | 'chap'>,
    device: string,
  ): { device: string } {
    if (!this.exports.get(volumeId)?.some((acl) => acl.endsWith(` ${chap.username}`))) {
      throw new TaskError('refused', 'the target does not know this initiator');
    }
    this.disks.set(`${serverId} ${volumeId}`, { device, iotune });
    return { device };
  }

  #unplug(serverId: string, volumeId: string): Record<string, never> {
    // The rule of CVE-2023-2088: while the guest has the disk, the target must know its initiator.
    if (this.disks.has(`${serverId} ${volumeId}`) && !this.exports.has(volumeId)) {
      throw new Error(`the export of ${volumeId} was cut under a guest`);
    }
    this.disks.delete(`${serverId} ${volumeId}`);
    return {};
  }

  #read(source: VolumeSource): string {
    switch (source.kind) {
      case 'volume':
        if (!this.volumes.has(source.volumeId))
          throw new TaskError('not-found', `no volume ${source.volumeId}`);
        return `volume ${source.volumeId}`;
      case 'snapshot':
        if (!this.snapshots.has(source.snapshotId))
          throw new TaskError('not-found', `no snapshot ${source.snapshotId}`);
        return `snapshot ${source.snapshotId}`;
      case 'image':
        return `image ${source.image.id}`;
      case 'backup':
        if (!this.backups.has(source.dataId)) throw new TaskError('not-found', `no backup ${source.dataId}`);
        return `backup ${source.dataId}`;
      default:
        return source satisfies never;
    }
  }

  #homeOf(volumeId: string): string {
    return this.homes.get(volumeId) ?? 'files';
  }

  #size(volumeId: string, sizeGib: number): { sizeBytes: number } {
    this.volumes.set(volumeId, Math.max(sizeGib, this.volumes.get(volumeId) ?? 0));
    return { sizeBytes: (this.volumes.get(volumeId) ?? 0) * 2 ** 30 };
  }

  #disk(serverId: string, volumeId: string): { device: string; iotune: object; sizeBytes?: number } {
    const disk = this.disks.get(`${serverId} ${volumeId}`);
    if (disk === undefined) throw new TaskError('not-found', `no disk ${volumeId} in ${serverId}`);
    return disk;
  }
}
