import { randomUUID } from 'node:crypto';
import {
  asId,
  type GroupId,
  type GroupSnapshotId,
  type GroupTypeId,
  type OperationId,
  type ServerId,
  type SnapshotId,
  type VolumeId,
} from '#schema/ids.ts';
import { OTHER_PROJECT, PROJECT, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { heldFetch } from '../../support/held-fetch.ts';

/** What can be named by an id. */
export const NOUNS = [
  'volume',
  'snapshot',
  'backup',
  'attachment',
  'operation',
  'message',
  'server',
  'plugged',
  'image',
  'type',
  'flavor',
  'qos',
  'transfer',
  'group',
  'group_snapshot',
  'group_type',
  'project',
  'member',
] as const;
export type Noun = (typeof NOUNS)[number];

/** One of everything that belongs to one project. */
export type Kit = Readonly<Record<Noun, string>>;

/** What the word before an id in a path, or the parameter's own name, stands for. A new one needs a line here. */
const NOUN_OF: Readonly<Record<string, Noun>> = {
  volumes: 'volume',
  volume_id: 'plugged',
  snapshots: 'snapshot',
  snapshot_id: 'snapshot',
  backups: 'backup',
  attachments: 'attachment',
  attachment_id: 'attachment',
  operations: 'operation',
  messages: 'message',
  servers: 'server',
  server_id: 'server',
  images: 'image',
  image_id: 'image',
  types: 'type',
  type_id: 'type',
  flavors: 'flavor',
  'qos-specs': 'qos',
  'os-volume-transfer': 'transfer',
  'volume-transfers': 'transfer',
  groups: 'group',
  group_snapshots: 'group_snapshot',
  consistencygroups: 'group',
  cgsnapshots: 'group_snapshot',
  group_types: 'group_type',
  group_type_id: 'group_type',
  project: 'project',
  projects: 'project',
  member_id: 'member',
};

/** Parameters that are names within a resource, and one that every resource of a kit has. */
const WITHIN: Readonly<Record<string, string>> = {
  key: 'key',
  tag: 'tag',
  item: 'encryption_key_id',
  request_id: 'req-none',
  // Administrators' only, and of no project.
  host: 'nowhere',
  class: 'default',
  alias: 'backups',
  name: 'none',
  action: 'none',
};

/**
 * The noun of a path's parameter; undefined for one that names a part of a resource.
 * @throws Error for a parameter that nobody has thought of yet.
 */
export function nounOf(parts: readonly string[], index: number): Noun | undefined {
  const name = parts[index]?.slice(1, -1) ?? '';
  if (Object.hasOwn(WITHIN, name)) return undefined;
  const noun = NOUN_OF[name] ?? NOUN_OF[parts[index - 1] ?? ''];
  if (noun === undefined)
    throw new Error(`/${parts.join('/')}: what is {${name}}? Say so in ${import.meta.filename}`);
  return noun;
}

/** What a field of a body names. A new one needs a line here. */
const NOUN_OF_FIELD: Readonly<Record<string, readonly Noun[]>> = {
  volume_id: ['volume', 'plugged'],
  volume_uuid: ['volume', 'plugged'],
  volumeId: ['volume', 'plugged'],
  source_volid: ['volume', 'plugged'],
  snapshot_id: ['snapshot'],
  image_id: ['image'],
  imageRef: ['image'],
  instance_uuid: ['server'],
  serverId: ['server'],
  attachment_id: ['attachment'],
  volume_type: ['type'],
  volume_types: ['type'],
  group_type: ['group_type'],
  // Several, with commas between.
  add_volumes: ['volume', 'plugged'],
  remove_volumes: ['volume', 'plugged'],
  new_type: ['type'],
  new_volume: ['volume', 'plugged'],
  flavorRef: [],
  // One of three, as its neighbour says.
  uuid: ['volume', 'plugged', 'image', 'snapshot'],
  // Older words.
  consistencygroup_id: ['group'],
  source_cgid: ['group'],
  cgsnapshot_id: ['group_snapshot'],
  group_id: ['group'],
  source_group_id: ['group'],
  group_snapshot_id: ['group_snapshot'],
  secondary_backend_id: [],
  // Of services, hosts and what they work on: operators' own.
  backend_id: [],
  service_id: [],
  resource_id: [],
  backup_id: ['backup'],
  // A new image's own, and the project that it is to be of.
  id: [],
  owner: ['project'],
  member: [],
};

/** @throws Error for a field that nobody has thought of yet. */
export function nounsOfField(name: string): readonly Noun[] {
  const nouns = NOUN_OF_FIELD[name];
  if (nouns === undefined)
    throw new Error(`what does "${name}" name in a body? Say so in ${import.meta.filename}`);
  return nouns;
}

export function withinPart(part: string): string {
  return WITHIN[part.slice(1, -1)] ?? part;
}

export type Owner = 'member' | 'stranger';
const PROJECT_OF: Readonly<Record<Owner, string>> = { member: PROJECT, stranger: OTHER_PROJECT };
const HOUR_AHEAD = '2100-01-01 00:00:00';
export const STORE = 'a-store';

/** Makes one of everything for a project; what belongs to nobody is what only admins see. */
export async function makeKit(api: TestApi, owner: Owner): Promise<Kit> {
  const volume = await makeVolume(api, owner);
  const operations = await api.call('GET', '/operations?limit=1', { as: owner });
  const operation: string = operations.body.operations[0].id;
  const snapshot = await makeSnapshot(api, owner, volume);
  await api.db
    .updateTable('operations')
    .set({ state: 'undone', error: `a secret of ${PROJECT_OF[owner]}` })
    .where('id', '=', asId<OperationId>(operation))
    .execute();
  const attached = await makeVolume(api, owner);
  const attachment = await api.call('POST', '/attachments', {
    as: owner,
    body: { attachment: { volume_uuid: attached } },
  });
  const image = await api.image('POST', '/images', {
    as: owner,
    body: { name: 'image', tags: ['tag'], disk_format: 'raw', container_format: 'bare', key: 'value' },
  });
  await heldFetch(`${api.url}/image/v2/images/${image.body.id}/file`, {
    method: 'PUT',
    headers: { 'X-Auth-Token': TOKENS[owner], 'Content-Type': 'application/octet-stream' },
    body: 'data',
  });
  await api.image('POST', `/images/${image.body.id}/members`, {
    as: owner,
    body: { member: PROJECT_OF[owner] },
  });
  return {
    volume,
    snapshot,
    backup: await makeBackup(api, owner, volume),
    attachment: attachment.body.attachment.id,
    operation,
    message: operation,
    ...(await makeServer(api, owner)),
    image: image.body.id,
    ...(await makeOperators(api, owner)),
    ...(await makeGroup(api, owner)),
    transfer: await makeTransfer(api, owner),
    project: PROJECT_OF[owner],
    // So that all can be done with it that a member can do.
    member: PROJECT_OF[owner],
  };
}

async function makeVolume(api: TestApi, as: Owner): Promise<string> {
  const body = { volume: { size: 1, metadata: { key: 'value' } } };
  const id: string = (await api.call('POST', '/volumes', { as, body })).body.volume.id;
  await settle(api, id);
  const image_metadata = JSON.stringify({ key: 'value' });
  await api.db
    .updateTable('volumes')
    .set({ bootable: 1, image_metadata })
    .where('id', '=', asId<VolumeId>(id))
    .execute();
  return id;
}

async function makeSnapshot(api: TestApi, as: Owner, volume: string): Promise<string> {
  const body = { snapshot: { volume_id: volume, metadata: { key: 'value' } } };
  const id: string = (await api.call('POST', '/snapshots', { as, body })).body.snapshot.id;
  await api.db
    .updateTable('snapshots')
    .set({ status: 'available' })
    .where('id', '=', asId<SnapshotId>(id))
    .execute();
  await settle(api, volume);
  return id;
}

async function makeBackup(api: TestApi, owner: Owner, volume: string): Promise<string> {
  const id = randomUUID();
  await api.db
    .insertInto('backups')
    .values({
      id: asId(id),
      project_id: asId(PROJECT_OF[owner]),
      user_id: asId('u'),
      volume_id: asId(volume),
      snapshot_id: null,
      parent_id: null,
      name: `backup of ${owner}`,
      description: null,
      size_gib: 1,
      status: 'available',
      availability_zone: null,
      container: null,
      host: asId('stor1'),
      store: STORE,
      repository: volume,
      data_id: id,
      fail_reason: null,
      metadata: '{}',
      volume_details: '{}',
      data_timestamp: HOUR_AHEAD,
      restore_volume_id: null,
      encryption_key_id: null,
      operation_id: null,
      created_at: HOUR_AHEAD,
      updated_at: null,
    })
    .execute();
  await api.db
    .replaceInto('services')
    .values({
      binary: 'blockyard-backup',
      host: 'stor1',
      agent: asId('stor1'),
      availability_zone: 'nova',
      disabled_reason: null,
      version: 'test',
      boot_id: 'boot',
      details: JSON.stringify({ store: STORE }),
      last_seen_at: HOUR_AHEAD,
      updated_at: null,
    })
    .execute();
  return id;
}

/** No conductor runs: what it would do is done here. */
async function settle(api: TestApi, volume: string): Promise<void> {
  const id = asId<VolumeId>(volume);
  await api.db.updateTable('operations').set({ state: 'done' }).where('volume_id', '=', id).execute();
  await api.db
    .updateTable('volumes')
    .set({ status: 'available', operation_id: null })
    .where('id', '=', id)
    .execute();
}

/** A server that runs, with a root volume and the one that is called plugged. */
async function makeServer(api: TestApi, owner: Owner): Promise<Pick<Kit, 'server' | 'plugged'>> {
  const id = randomUUID();
  const root = asId<VolumeId>(await makeVolume(api, owner));
  await api.db
    .insertInto('servers')
    .values({
      id: asId<ServerId>(id),
      host: asId('comp1'),
      project_id: asId(PROJECT_OF[owner]),
      user_id: asId('u'),
      name: `server of ${owner}`,
      status: 'ACTIVE',
      vcpus: 1,
      memory_mib: 512,
      root_volume_id: root,
      flavor: JSON.stringify({ id: '1', name: 'tiny', vcpus: 1, ram: 512, disk: 0 }),
      metadata: '{}',
      created_at: HOUR_AHEAD,
      updated_at: HOUR_AHEAD,
    })
    .execute();
  const plugged = asId<VolumeId>(await makeVolume(api, owner));
  for (const [volume, mountpoint] of [
    [root, '/dev/vda'],
    [plugged, '/dev/vdb'],
  ] as const) {
    await api.db
      .insertInto('attachments')
      .values({
        id: asId(randomUUID()),
        volume_id: volume,
        project_id: asId(PROJECT_OF[owner]),
        server_id: asId<ServerId>(id),
        status: 'attached',
        host: 'comp1',
        managed: 1,
        mountpoint,
        mode: 'rw',
        boot_index: volume === root ? 0 : null,
        created_at: HOUR_AHEAD,
        updated_at: null,
      })
      .execute();
    await api.db.updateTable('volumes').set({ status: 'in-use' }).where('id', '=', volume).execute();
  }
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
  return { server: id, plugged };
}

/** A private type that the project has been given, and what operators keep to themselves: a private flavor, QoS specs. */
async function makeOperators(api: TestApi, owner: Owner): Promise<Pick<Kit, 'type' | 'flavor' | 'qos'>> {
  const as = 'admin';
  const type = await api.call('POST', '/types', {
    as,
    body: {
      volume_type: {
        name: randomUUID(),
        extra_specs: { key: 'value' },
        'os-volume-type-access:is_public': false,
      },
    },
  });
  await api.call('POST', `/types/${type.body.volume_type.id}/action`, {
    as,
    body: { addProjectAccess: { project: PROJECT_OF[owner] } },
  });
  const flavor = await api.compute('POST', '/flavors', {
    as,
    body: { flavor: { name: randomUUID(), vcpus: 1, ram: 64, disk: 0, 'os-flavor-access:is_public': false } },
  });
  await api.compute('POST', `/flavors/${flavor.body.flavor.id}/os-extra_specs`, {
    as,
    body: { extra_specs: { key: 'value' } },
  });
  const qos = await api.call('POST', '/qos-specs', {
    as,
    body: { qos_specs: { name: randomUUID(), key: '5' } },
  });
  return { type: type.body.volume_type.id, flavor: flavor.body.flavor.id, qos: qos.body.qos_specs.id };
}

/** A group without volumes, its snapshot, and another type of groups that is the operators' own. */
async function makeGroup(
  api: TestApi,
  as: Owner,
): Promise<Pick<Kit, 'group' | 'group_snapshot' | 'group_type'>> {
  const typeOf = async (path: string, noun: string, body: object = {}): Promise<string> =>
    (await api.call('POST', path, { as: 'admin', body: { [noun]: { name: randomUUID(), ...body } } })).body[
      noun
    ].id;
  const group_type = await typeOf('/group_types', 'group_type');
  const made = await api.call('POST', '/groups', {
    as,
    body: {
      group: { name: 'group', group_type, volume_types: [await typeOf('/types', 'volume_type')] },
    },
  });
  const group: string = made.body.group.id;
  const group_snapshot = randomUUID();
  const { project_id, user_id, created_at } = await api.db
    .selectFrom('volume_groups')
    .selectAll()
    .where('id', '=', asId<GroupId>(group))
    .executeTakeFirstOrThrow();
  // As it is left when the group's volumes are gone: an empty group has no new one.
  await api.db
    .insertInto('group_snapshots')
    .values({
      id: asId<GroupSnapshotId>(group_snapshot),
      group_id: asId<GroupId>(group),
      group_type_id: asId<GroupTypeId>(group_type),
      project_id,
      user_id,
      name: 'snapshot',
      description: null,
      status: 'available',
      created_at,
      updated_at: null,
    })
    .execute();
  return {
    group,
    group_snapshot,
    group_type: await typeOf('/group_types', 'group_type', {
      is_public: false,
      group_specs: { key: 'value' },
    }),
  };
}

async function makeTransfer(api: TestApi, as: Owner): Promise<string> {
  const volume_id = await makeVolume(api, as);
  const { body } = await api.call('POST', '/volume-transfers', { as, body: { transfer: { volume_id } } });
  return body.transfer.id;
}
