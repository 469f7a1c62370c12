import { randomUUID } from 'node:crypto';
import { asId, type HostName, type ServerId, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { PROJECT, type TestApi } from '../api.ts';

/** Placeholder → id, for paths, queries and bodies. */
export type Seed = Readonly<Record<string, string>>;

const HOUR_AHEAD = '2100-01-01 00:00:00';

/** Puts one of everything into the database, and a volume of another project. */
export async function seed(api: TestApi): Promise<Seed> {
  const volume0 = await addVolume(api, 'member', 'available');
  await api.db
    .updateTable('volumes')
    .set({ bootable: 1 })
    .where('id', '=', asId<VolumeId>(volume0))
    .execute();
  const volume1 = await addVolume(api, 'member', 'available');
  const volume2 = await addVolume(api, 'member', 'error');
  const foreign = await addVolume(api, 'stranger', 'available');
  const attachment = await api.call('POST', '/attachments', {
    body: { attachment: { volume_uuid: volume1 } },
  });
  const as = 'admin';
  const type = await api.call('POST', '/types', {
    as,
    body: { volume_type: { name: randomUUID(), extra_specs: { key: 'value' } } },
  });
  const qos = await api.call('POST', '/qos-specs', {
    as,
    body: { qos_specs: { name: randomUUID(), consumer: 'both', read_iops_sec: '5' } },
  });
  const operations = await api.call('GET', '/operations?limit=1');
  const flavor = await addFlavor(api);
  const snapshot = (volume: string, as: 'member' | 'stranger' = 'member') => addSnapshot(api, volume, as);
  return {
    '@snapshot0': await snapshot(volume0),
    '@snapshot1': await snapshot(volume2),
    '@foreignsnapshot': await snapshot(foreign, 'stranger'),
    '@image0': await addImage(api, 'member', { visibility: 'community' }),
    '@image1': await addImage(api, 'member', { disk_format: 'raw', container_format: 'bare' }),
    '@foreignimage': await addImage(api, 'stranger', {}),
    '@volume0': volume0,
    '@volume1': volume1,
    '@volume2': volume2,
    '@foreign': foreign,
    '@attachment': attachment.body.attachment.id,
    '@type': type.body.volume_type.id,
    '@qos': qos.body.qos_specs.id,
    '@operation': operations.body.operations[0].id,
    '@server': await addServer(api),
    '@own': await addOwnServer(api, flavor),
    '@flavor': flavor,
  };
}

async function addVolume(api: TestApi, as: 'member' | 'stranger', status: VolumeStatus): Promise<string> {
  const volume = { size: 1, metadata: { key: 'value' } };
  const { body } = await api.call('POST', '/volumes', { as, body: { volume } });
  const id = asId<VolumeId>(body.volume.id);
  await api.db.updateTable('volumes').set({ status, operation_id: null }).where('id', '=', id).execute();
  await api.db.updateTable('operations').set({ state: 'done' }).where('volume_id', '=', id).execute();
  return id;
}

async function addSnapshot(api: TestApi, volume: string, as: 'member' | 'stranger'): Promise<string> {
  const id = asId<VolumeId>(volume);
  const row = await api.db
    .selectFrom('volumes')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const set = (status: VolumeStatus) =>
    api.db.updateTable('volumes').set({ status, operation_id: null }).where('id', '=', id).execute();
  await set('available');
  const { body } = await api.call('POST', '/snapshots', { as, body: { snapshot: { volume_id: volume } } });
  await set(row.status);
  await api.db
    .updateTable('snapshots')
    .set({ status: 'available' })
    .where('id', '=', asId<SnapshotId>(body.snapshot.id))
    .execute();
  await api.db.updateTable('operations').set({ state: 'done' }).where('volume_id', '=', id).execute();
  return body.snapshot.id;
}

async function addImage(api: TestApi, as: 'member' | 'stranger', fields: object): Promise<string> {
  const body = { name: 'image', key: 'value', tags: ['tag'], ...fields };
  return (await api.image('POST', '/images', { as, body })).body.id;
}

async function addServer(api: TestApi): Promise<string> {
  const id = randomUUID();
  await api.db
    .insertInto('servers')
    .values({
      id: asId(id),
      host: asId('comp1'),
      project_id: asId(PROJECT),
      name: 'web',
      status: 'ACTIVE',
      vcpus: 1,
      memory_mib: 512,
      created_at: HOUR_AHEAD,
      updated_at: HOUR_AHEAD,
    })
    .execute();
  await api.db
    .replaceInto('services')
    .values({
      binary: 'blockyard-compute',
      host: 'comp1',
      agent: asId('comp1'),
      availability_zone: 'nova',
      disabled_reason: null,
      version: 'test',
      boot_id: 'boot',
      details: JSON.stringify({ initiator: 'iqn.2010-10.org.blockyard:host:comp1' }),
      last_seen_at: HOUR_AHEAD,
      updated_at: null,
    })
    .execute();
  return id;
}

/** A server that was made through the API and runs; its volume is apart from the others. */
async function addOwnServer(api: TestApi, flavorRef: string): Promise<string> {
  const volume = await addVolume(api, 'member', 'available');
  const volumeId = asId<VolumeId>(volume);
  await api.db.updateTable('volumes').set({ bootable: 1 }).where('id', 'in', [volumeId]).execute();
  const mapping = { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: volume };
  const { body } = await api.compute('POST', '/servers', {
    body: { server: { name: 'own', flavorRef, block_device_mapping_v2: [mapping] } },
  });
  const id = asId<ServerId>(body.server.id);
  const host = asId<HostName>('comp1');
  await api.db
    .updateTable('servers')
    .set({ host, status: 'ACTIVE', task_state: null })
    .where('id', '=', id)
    .execute();
  await api.db
    .updateTable('attachments')
    .set({ host, status: 'attached', mountpoint: '/dev/vda' })
    .where('server_id', '=', id)
    .execute();
  await api.db
    .updateTable('volumes')
    .set({ status: 'in-use', operation_id: null })
    .where('id', '=', volumeId)
    .execute();
  await api.db.updateTable('operations').set({ state: 'done' }).where('volume_id', '=', volumeId).execute();
  return id;
}

async function addFlavor(api: TestApi): Promise<string> {
  const flavor = { name: randomUUID(), vcpus: 1, ram: 64, disk: 0 };
  const { body } = await api.compute('POST', '/flavors', { as: 'admin', body: { flavor } });
  return body.flavor.id;
}
