import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Selectable } from 'kysely';
import { asId, type PoolName, type ServerId, type VolumeId } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { Anchor } from './anchor.ts';
import { VolumeData } from './data.ts';
import { RECOVERY_MS, Stage } from './stage.ts';

type VolumeRow = Selectable<Tables['volumes']>;

const INITIATOR = 'iqn.2026-01.org.example:client';
const FLAVOR = '1';
/** A volume's name says what it is for; each that has data was given them when it was made. */
const CELL = 'cell';
/** What a cell needs may take longer than what it tries: an encrypted volume, on a busy machine. */
const PREPARED_MS = 3 * RECOVERY_MS;

/** The stage with all that operations need: volumes, snapshots, an image, a type with limits, servers. */
export class Rig extends Stage {
  readonly data = new VolumeData(this.stack.runDir);
  anchor!: Anchor;
  /** Never touched by anything. */
  #bystander = '';
  /** Volumes are made from it. */
  image = '';
  #limits: { readonly type: string; readonly spec: string } | undefined;
  #iops = 1_000;

  static async start(): Promise<Rig> {
    const rig = new Rig(await Stage.parts());
    try {
      await rig.until(
        'the server is known',
        async () => (await rig.call('GET', rig.serverPath)).status === 200,
      );
      rig.anchor = await Anchor.attach(rig);
      rig.#bystander = await rig.volume('available', 'bystander');
      rig.image = await rig.#uploaded();
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What nobody has touched is as it was. */
  async verifyBystander(): Promise<void> {
    await this.data.verify(this.#bystander);
  }

  /** What the product itself finds when it compares MySQL with its hosts: nothing. A host that was killed may need a moment. */
  async verifyNoDrift(): Promise<void> {
    await this.apiUp();
    let said = '';
    const none = async (): Promise<boolean> => {
      const { body } = await this.call('GET', this.path('drift'));
      said = JSON.stringify({ differences: body.differences, unknown: body.unknown });
      // An extend does not wait for a guest that could not be told; this tells it.
      for (const { id, kind } of body.differences)
        if (kind === 'disk-smaller') await this.call('POST', this.path('drift/repair'), { item: id });
      return body.differences.length === 0 && body.unknown.length === 0;
    };
    await this.until('there is no drift', () => none().catch(() => false)).catch((error: Error) => {
      throw new Error(`${error.message}: ${said}`, { cause: error });
    });
  }

  async create(name: string, more: object = {}): Promise<void> {
    await this.call('POST', this.path('volumes'), { volume: { size: 1, name, ...more } });
  }
  attach(volume: string, device?: string): Promise<unknown> {
    return this.call('POST', `${this.serverPath}/os-volume_attachments`, {
      volumeAttachment: { volumeId: volume, ...(device !== undefined && { device }) },
    });
  }
  detach(volume: string): Promise<unknown> {
    return this.call('DELETE', `${this.serverPath}/os-volume_attachments/${volume}`);
  }
  delete(volume: string): Promise<unknown> {
    return this.call('DELETE', this.path(`volumes/${volume}`));
  }
  /** One of Cinder's actions of a volume: `os-extend` and the like. */
  act(volume: string, action: object): Promise<unknown> {
    return this.call('POST', this.path(`volumes/${volume}/action`), action);
  }
  extend(volume: string, gib: number): Promise<unknown> {
    return this.act(volume, { 'os-extend': { new_size: gib } });
  }

  /** The newest first. */
  volumes(name: string): Promise<VolumeRow[]> {
    return this.db
      .selectFrom('volumes')
      .selectAll()
      .where('name', '=', name)
      .orderBy('created_at', 'desc')
      .execute();
  }
  async named(name: string): Promise<VolumeRow | undefined> {
    return (await this.volumes(name))[0];
  }
  async newestVolume(name: string): Promise<string> {
    const volume = await this.named(name);
    assert.ok(volume !== undefined, `there is no volume ${name}`);
    return volume.id;
  }

  /** No operation is under way for the volume of this name, or it is gone with the last one. */
  async isResting(name: string): Promise<boolean> {
    return (await this.volumes(name)).every(({ operation_id }) => operation_id === null);
  }

  /** A volume of this name in that state, from an earlier cell or made now. */
  async volume(status: 'available' | 'in-use', name = CELL, more: object = {}): Promise<string> {
    await this.apiUp();
    const found = await this.#find(name, status);
    if (found !== undefined) return found;
    if (status === 'in-use') {
      const volume = await this.volume('available', name, more);
      await this.attach(volume);
    } else {
      await this.create(name, more);
    }
    await this.until(
      `a volume ${name} is ${status}`,
      async () => (await this.#find(name, status)) !== undefined,
      PREPARED_MS,
    );
    const volume = (await this.#find(name, status))!;
    // An encrypted one has the image.
    const encrypted = (await this.named(name))!.encryption_key_id !== null;
    if (status === 'available' && !encrypted) await this.data.mark(volume);
    return volume;
  }

  async #find(name: string, status: VolumeStatus): Promise<string | undefined> {
    const found = (await this.volumes(name)).find(
      (each) => each.status === status && each.operation_id === null,
    );
    return found?.id;
  }

  /** Leaves so many volumes of this name that are not attached, and deletes the others. */
  async clear(name: string, keep: number): Promise<void> {
    await this.release(name, keep);
    const free = (await this.volumes(name)).filter(({ status }) =>
      ['available', 'error', 'error_managing', 'error_restoring'].includes(status),
    );
    const going = free.slice(keep);
    for (const { id } of going) await this.delete(id);
    await this.until(`volumes ${name} are deleted`, async () => {
      const left = await this.volumes(name);
      return left.every(({ id }) => going.every((each) => each.id !== id)) && (await this.isResting(name));
    });
  }

  /** Detaches all volumes of this name but so many: a guest has room for some 25 disks. */
  async release(name: string, keep: number): Promise<void> {
    await this.apiUp();
    const used = (await this.volumes(name)).filter(({ status }) => status === 'in-use');
    for (const { id } of used.slice(keep)) await this.detach(id);
    await this.until(`volumes ${name} are detached`, () => this.isResting(name));
  }

  /** An attached volume whose type has limits, smaller than `below` GiB. */
  async tuned(
    below = Number.POSITIVE_INFINITY,
  ): Promise<{ volume: string; size: number; retune: () => Promise<unknown> }> {
    await this.apiUp();
    const { type, retune } = await this.limits();
    const name = 'tuned';
    const [old] = await this.volumes(name);
    if (old !== undefined && old.size_gib >= below) await this.clear(name, 0);
    const volume = await this.volume('in-use', name, { volume_type: type });
    return { volume, size: (await this.named(name))!.size_gib, retune };
  }

  /** A type with limits, made at the first time, and what changes them. */
  async limits(): Promise<{ type: string; retune: () => Promise<unknown> }> {
    const { type, spec } = (this.#limits ??= await this.#makeLimits());
    return {
      type,
      retune: () =>
        this.call('PUT', this.path(`qos-specs/${spec}`), {
          qos_specs: { total_iops_sec: String((this.#iops += 1)) },
        }),
    };
  }

  async #makeLimits(): Promise<{ type: string; spec: string }> {
    const { body: made } = await this.call('POST', this.path('types'), { volume_type: { name: 'tuned' } });
    const { body } = await this.call('POST', this.path('qos-specs'), {
      qos_specs: { name: 'tuned', consumer: 'front-end', total_iops_sec: String(this.#iops) },
    });
    const [type, spec] = [made.volume_type.id as string, body.qos_specs.id as string];
    await this.call('GET', this.path(`qos-specs/${spec}/associate?vol_type_id=${type}`));
    return { type, spec };
  }

  /** A snapshot that can be copied, and what it is of. */
  async snapshot(): Promise<{ snapshot: string; origin: string }> {
    const origin = await this.volume('available', 'origin');
    const find = async (): Promise<string | undefined> =>
      (await this.#snapshots()).find(
        ({ status, volume_id }) => status === 'available' && volume_id === origin,
      )?.id;
    if ((await find()) === undefined) {
      await this.call('POST', this.path('snapshots'), { snapshot: { volume_id: origin, name: 'snap' } });
      await this.until('a snapshot is available', async () => (await find()) !== undefined);
    }
    return { snapshot: (await find())!, origin };
  }
  /** The one snapshot of this volume, which holds what the volume was given. */
  async snapshotFor(volume: string): Promise<string> {
    await this.apiUp();
    const find = async (): Promise<string | undefined> =>
      (await this.#snapshots()).find((each) => each.volume_id === volume && each.status === 'available')?.id;
    if ((await find()) === undefined) {
      await this.call('POST', this.path('snapshots'), { snapshot: { volume_id: volume, name: 'own' } });
      await this.until('the volume’s own snapshot is available', async () => (await find()) !== undefined);
    }
    return (await find())!;
  }
  async newestSnapshot(): Promise<string> {
    return (await this.#snapshots())[0]!.id;
  }
  async clearSnapshots(keep: number): Promise<void> {
    await this.apiUp();
    const all = await this.#snapshots();
    for (const { id } of all.slice(keep)) await this.call('DELETE', this.path(`snapshots/${id}`));
    await this.until('snapshots are deleted', async () => (await this.#snapshots()).length <= keep);
  }
  async snapshotsOf(volume: string): Promise<string[]> {
    return (await this.#snapshots()).filter(({ volume_id }) => volume_id === volume).map(({ id }) => id);
  }
  #snapshots(): Promise<Selectable<Tables['snapshots']>[]> {
    return this.db.selectFrom('snapshots').selectAll().orderBy('created_at', 'desc').execute();
  }

  async #uploaded(): Promise<string> {
    const { body } = await this.call('POST', '/image/v2/images', {
      name: 'source',
      disk_format: 'raw',
      container_format: 'bare',
    });
    const stored = await fetch(`${this.stack.apiUrl}/image/v2/images/${body.id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': this.stack.adminToken, 'Content-Type': 'application/octet-stream' },
      body: new Uint8Array(VolumeData.image()),
    });
    assert.equal(stored.status, 204, await stored.text());
    return body.id as string;
  }
  async newestImage(): Promise<string> {
    return (await this.#sent())[0]!;
  }
  /** Deletes images that volumes have been sent to. */
  async clearImages(): Promise<void> {
    await this.apiUp();
    for (const id of await this.#sent()) await this.call('DELETE', `/image/v2/images/${id}`);
  }
  async #sent(): Promise<string[]> {
    const rows = await this.db
      .selectFrom('images')
      .select('id')
      .where('name', '=', 'sent')
      .orderBy('created_at', 'desc')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** Exports a volume to a client that connects by itself. */
  lend(volume: string): Promise<{ status: number; body: { attachment: { id: string } } }> {
    return this.call('POST', this.path('attachments'), {
      attachment: {
        volume_uuid: volume,
        instance_uuid: randomUUID(),
        connector: {
          initiator: INITIATOR,
          host: 'client',
          ip: '127.0.0.1',
          platform: 'x86_64',
          os_type: 'linux',
        },
      },
    });
  }
  async attachmentsOf(volume: string): Promise<string[]> {
    const rows = await this.db.selectFrom('attachments').select(['id', 'volume_id']).execute();
    return rows.filter(({ volume_id }) => volume_id === volume).map(({ id }) => id);
  }
  async lent(): Promise<{ attachment: string; volume: string }> {
    await this.apiUp();
    const find = () =>
      this.db
        .selectFrom('attachments')
        .innerJoin('volumes', 'volumes.id', 'attachments.volume_id')
        .select(['attachments.id', 'volumes.id as volume'])
        .where('volumes.name', '=', 'lent')
        .where('volumes.operation_id', 'is', null)
        .executeTakeFirst();
    if ((await find()) === undefined) await this.lend(await this.volume('available', 'lent'));
    const found = await find();
    assert.ok(found !== undefined, 'nothing could be lent');
    return { attachment: found.id, volume: found.volume };
  }

  /** What a volume has left that was unmanaged: its former id. */
  async unmanaged(): Promise<string> {
    const [left] = await this.data.unmanaged();
    if (left !== undefined) return left;
    const volume = await this.volume('available', 'unmanages');
    await this.act(volume, { 'os-unmanage': {} });
    await this.until('a volume is unmanaged', async () => (await this.data.unmanaged()).includes(volume));
    await this.until('it is forgotten', async () => (await this.volumes('unmanages')).length === 0);
    return volume;
  }
  /** What a snapshot of this volume has left that was unmanaged: its former id. */
  async unmanagedSnapshot(volume: string): Promise<string> {
    const [left] = await this.data.unmanagedSnapshots(volume);
    if (left !== undefined) return left;
    const snapshot = await this.snapshotFor(volume);
    await this.call('POST', this.path(`snapshots/${snapshot}/action`), { 'os-unmanage': {} });
    await this.until('a snapshot is unmanaged', async () => (await this.snapshotsOf(volume)).length === 0);
    return snapshot;
  }
  async manageSnapshot(volume: string, former: string): Promise<void> {
    const ref = { 'source-name': `unmanaged-snapshot-${former}-of-${volume}` };
    await this.call('POST', this.path('manageable_snapshots'), {
      snapshot: { volume_id: volume, ref, name: 'own' },
    });
  }
  async canManage(): Promise<boolean> {
    const host = encodeURIComponent(await this.#pool());
    const listed = this.call('GET', this.path(`manageable_volumes?host=${host}`));
    return listed.then(
      ({ status }) => status === 200,
      () => false,
    );
  }
  async #pool(): Promise<string> {
    return (await this.#pools()).find((name) => poolParts(name).backend === 'files')!;
  }
  async #pools(): Promise<PoolName[]> {
    return (await this.db.selectFrom('pools').select('name').execute()).map(({ name }) => name);
  }
  async poolOf(volume: string): Promise<PoolName | null> {
    const { pool } = await this.db
      .selectFrom('volumes')
      .select('pool')
      .where('id', '=', asId<VolumeId>(volume))
      .executeTakeFirstOrThrow();
    return pool;
  }
  /** Where a volume may move to. */
  async otherPool(volume: string): Promise<PoolName> {
    const pool = await this.poolOf(volume);
    return (await this.#pools()).find((name) => name !== pool)!;
  }
  /** A type, made at the first time; its volumes lie in `backend`, or anywhere. */
  async type(name: string, backend?: string): Promise<string> {
    const { body: listed } = await this.call('GET', this.path('types'));
    const found = listed.volume_types.find((each: { name: string }) => each.name === name);
    if (found !== undefined) return found.id as string;
    const { body } = await this.call('POST', this.path('types'), {
      volume_type: {
        name,
        ...(backend !== undefined && { extra_specs: { volume_backend_name: backend } }),
      },
    });
    return body.volume_type.id as string;
  }
  async manage(former: string, name: string): Promise<void> {
    const host = await this.#pool();
    const ref = { 'source-name': `unmanaged-${former}` };
    await this.call('POST', this.path('manageable_volumes'), { volume: { host, ref, name } });
  }

  forceDetach(volume: string): Promise<unknown> {
    return this.act(volume, { 'os-force_detach': {} });
  }
  /** A volume that a server has which is off. */
  async pluggedWhereItIsOff(): Promise<string> {
    const off = async () =>
      (await this.servers()).find(({ status, task_state }) => status === 'SHUTOFF' && task_state === null);
    if ((await off()) === undefined) {
      const { server } = await this.booted();
      await this.call('POST', `/compute/v2.1/servers/${server}/action`, { 'os-stop': null });
      await this.until('a server is off', async () => (await off()) !== undefined);
    }
    const { id } = (await off())!;
    const name = 'forced';
    const found = await this.#find(name, 'in-use');
    if (found !== undefined) return found;
    const volume = await this.volume('available', name);
    await this.call('POST', `/compute/v2.1/servers/${id}/os-volume_attachments`, {
      volumeAttachment: { volumeId: volume },
    });
    await this.until('it has the volume', async () => (await this.#find(name, 'in-use')) !== undefined);
    return volume;
  }

  /** A volume that servers may boot from, free. */
  async bootable(): Promise<string> {
    const volume = await this.volume('available', 'root');
    await this.#makeBootable(volume);
    return volume;
  }
  async #makeBootable(volume: string): Promise<void> {
    await this.act(volume, { 'os-set_bootable': { bootable: true } });
  }
  async bootFrom(volume: string): Promise<void> {
    await this.#makeBootable(volume);
    await this.boot(volume);
  }
  boot(root: string): Promise<unknown> {
    return this.call('POST', '/compute/v2.1/servers', {
      server: {
        name: 'server',
        flavorRef: FLAVOR,
        networks: 'none',
        block_device_mapping_v2: [
          { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: root },
        ],
      },
    });
  }
  /** A server that runs, and its root volume. */
  async booted(): Promise<{ server: string; root: string }> {
    await this.apiUp();
    const find = async () =>
      (await this.servers()).find(({ status, task_state }) => status === 'ACTIVE' && task_state === null);
    if ((await find()) === undefined) {
      await this.clearServers();
      await this.boot(await this.bootable());
      await this.until('a server runs', async () => (await find()) !== undefined);
    }
    return { server: (await find())!.id, root: await this.newestVolume('root') };
  }
  async clearServers(): Promise<void> {
    await this.apiUp();
    for (const { id } of await this.servers()) await this.call('DELETE', `/compute/v2.1/servers/${id}`);
    await this.until(
      'servers are gone',
      async () => (await this.servers()).length === 0 && (await this.isResting('root')),
    );
  }
  /** Those made through the API. */
  servers(): Promise<Selectable<Tables['servers']>[]> {
    return this.db
      .selectFrom('servers')
      .selectAll()
      .where('status', '<>', 'DELETED')
      .where('id', '<>', asId<ServerId>(this.server))
      .execute();
  }
}
