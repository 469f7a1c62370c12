import { randomUUID } from 'node:crypto';
import { BACKUP_SERVICE } from '#api/block-storage/backups/record.ts';
import { type Kit, STORE } from './kit.ts';
import type { Target } from './surface.ts';

const connector = { initiator: 'iqn.2010-10.org.blockyard:guest', host: 'guest', ip: '127.0.0.1' };
const metadata = { key: 'new' };
const encryption = { provider: 'luks', control_location: 'front-end', key_size: 256 };
const service = { host: 'comp1', binary: 'blockyard-compute' };

const managed = { host: 'stor1@files#files', ref: { 'source-name': 'theirs' }, name: 'n', metadata };

/** One good body for every route that takes one, with ids of the caller's own. */
const BODIES: Readonly<Record<string, (own: Kit) => unknown>> = {
  'volume POST /volumes': () => ({ volume: { size: 1, name: 'n', metadata } }),
  'volume PUT /volumes/{id}': () => ({ volume: { name: 'renamed', metadata } }),
  'volume POST /volumes/{id}/action os-extend': () => ({ 'os-extend': { new_size: 2 } }),
  'volume POST /volumes/{id}/action os-reset_status': () => ({ 'os-reset_status': { status: 'error' } }),
  'volume POST /volumes/{id}/action os-force_delete': () => ({ 'os-force_delete': {} }),
  'volume POST /volumes/{id}/action os-attach': () => ({
    'os-attach': { host_name: 'h', mountpoint: '/dev/vdb' },
  }),
  'volume POST /volumes/{id}/action os-detach': () => ({ 'os-detach': {} }),
  'volume POST /volumes/{id}/action os-reserve': () => ({ 'os-reserve': null }),
  'volume POST /volumes/{id}/action os-unreserve': () => ({ 'os-unreserve': null }),
  'volume POST /volumes/{id}/action os-begin_detaching': () => ({ 'os-begin_detaching': null }),
  'volume POST /volumes/{id}/action os-roll_detaching': () => ({ 'os-roll_detaching': null }),
  'volume POST /volumes/{id}/action os-initialize_connection': () => ({
    // Nobody can be let in by that: without agents an export would be waited for.
    'os-initialize_connection': { connector: { ...connector, initiator: null } },
  }),
  'volume POST /volumes/{id}/action os-terminate_connection': () => ({
    'os-terminate_connection': { connector },
  }),
  'volume POST /volumes/{id}/action os-update_readonly_flag': () => ({
    'os-update_readonly_flag': { readonly: true },
  }),
  'volume POST /volumes/{id}/action os-extend_volume_completion': () => ({
    'os-extend_volume_completion': { error: false },
  }),
  'volume POST /volumes/{id}/action os-force_detach': () => ({ 'os-force_detach': {} }),
  'volume POST /volumes/{id}/action os-unmanage': () => ({ 'os-unmanage': {} }),
  'volume POST /manageable_volumes': () => ({ volume: managed }),
  'volume POST /os-volume-manage': () => ({ volume: managed }),
  'volume POST /backups': ({ volume }) => ({ backup: { volume_id: volume, name: 'n', metadata } }),
  'volume PUT /backups/{id}': () => ({ backup: { name: 'renamed', metadata } }),
  'volume POST /backups/{id}/restore': ({ volume }) => ({ restore: { volume_id: volume, name: 'n' } }),
  'volume POST /backups/{id}/action os-reset_status': () => ({ 'os-reset_status': { status: 'error' } }),
  'volume POST /backups/{id}/action os-force_delete': () => ({ 'os-force_delete': {} }),
  'volume POST /backups/import_record': ({ volume }) => ({
    'backup-record': { backup_service: BACKUP_SERVICE, backup_url: recordOf(volume) },
  }),
  'volume POST /volumes/{id}/action revert': ({ snapshot }) => ({ revert: { snapshot_id: snapshot } }),
  'volume POST /volumes/{id}/action os-retype': ({ type }) => ({
    'os-retype': { new_type: type, migration_policy: 'never' },
  }),
  'volume POST /volumes/{id}/action os-migrate_volume': () => ({
    'os-migrate_volume': { host: 'stor1@files#files', force_host_copy: false, lock_volume: false },
  }),
  'volume POST /volumes/{id}/action os-migrate_volume_completion': ({ volume }) => ({
    'os-migrate_volume_completion': { new_volume: volume },
  }),
  'volume POST /volumes/{id}/action os-reimage': ({ image }) => ({ 'os-reimage': { image_id: image } }),
  'volume POST /snapshots/{id}/action os-unmanage': () => ({ 'os-unmanage': {} }),
  'volume POST /manageable_snapshots': ({ volume }) => ({
    snapshot: { volume_id: volume, ref: { 'source-name': 'theirs' }, name: 'n', metadata },
  }),
  'volume POST /os-snapshot-manage': ({ volume }) => ({
    snapshot: { volume_id: volume, ref: { 'source-name': 'theirs' }, name: 'n', metadata },
  }),
  'volume POST /drift/repair': () => ({ item: 'no such difference' }),
  'volume POST /volumes/{id}/action os-volume_upload_image': () => ({
    'os-volume_upload_image': { image_name: 'n', disk_format: 'raw', container_format: 'bare' },
  }),
  'volume POST /volumes/{id}/action os-set_image_metadata': () => ({ 'os-set_image_metadata': { metadata } }),
  'volume POST /volumes/{id}/action os-unset_image_metadata': () => ({
    'os-unset_image_metadata': { key: 'key' },
  }),
  'volume POST /volumes/{id}/action os-show_image_metadata': () => ({ 'os-show_image_metadata': null }),
  'volume POST /volumes/{id}/action os-set_bootable': () => ({ 'os-set_bootable': { bootable: false } }),
  'volume POST /volumes/{id}/metadata': () => ({ metadata }),
  'volume PUT /volumes/{id}/metadata': () => ({ metadata }),
  'volume PUT /volumes/{id}/metadata/{key}': () => ({ meta: metadata }),
  'volume POST /snapshots': ({ volume }) => ({ snapshot: { volume_id: volume, name: 'n', metadata } }),
  'volume PUT /snapshots/{id}': () => ({ snapshot: { name: 'renamed' } }),
  'volume POST /snapshots/{id}/action os-reset_status': () => ({ 'os-reset_status': { status: 'error' } }),
  'volume POST /snapshots/{id}/action os-update_snapshot_status': () => ({
    'os-update_snapshot_status': { status: 'error' },
  }),
  'volume POST /snapshots/{id}/action os-force_delete': () => ({ 'os-force_delete': null }),
  'volume POST /snapshots/{id}/metadata': () => ({ metadata }),
  'volume PUT /snapshots/{id}/metadata': () => ({ metadata }),
  'volume PUT /snapshots/{id}/metadata/{key}': () => ({ meta: metadata }),
  'volume POST /attachments': ({ volume }) => ({ attachment: { volume_uuid: volume } }),
  'volume PUT /attachments/{id}': () => ({ attachment: { connector } }),
  'volume POST /attachments/{id}/action os-complete': () => ({ 'os-complete': null }),
  'volume POST /types': () => ({ volume_type: { name: randomUUID(), extra_specs: metadata } }),
  'volume PUT /types/{id}': () => ({ volume_type: { description: 'changed' } }),
  'volume POST /types/{type_id}/extra_specs': () => ({ extra_specs: metadata }),
  'volume PUT /types/{type_id}/extra_specs/{key}': () => metadata,
  'volume POST /types/{id}/action addProjectAccess': ({ project }) => ({ addProjectAccess: { project } }),
  'volume POST /types/{id}/action removeProjectAccess': ({ project }) => ({
    removeProjectAccess: { project },
  }),
  'volume POST /types/{type_id}/encryption': () => ({ encryption }),
  'volume PUT /types/{type_id}/encryption/{key}': () => ({ encryption }),
  'volume PUT /default-types/{project}': ({ type }) => ({ default_type: { volume_type: type } }),
  'volume POST /os-volume-transfer': ({ volume }) => ({ transfer: { volume_id: volume, name: 'n' } }),
  'volume POST /volume-transfers': ({ volume }) => ({ transfer: { volume_id: volume, no_snapshots: true } }),
  'volume POST /os-volume-transfer/{id}/accept': () => ({ accept: { auth_key: 'none' } }),
  'volume POST /volume-transfers/{id}/accept': () => ({ accept: { auth_key: 'none' } }),
  'volume POST /group_types': () => ({ group_type: { name: randomUUID(), group_specs: metadata } }),
  'volume PUT /group_types/{id}': () => ({ group_type: { description: 'changed' } }),
  'volume POST /group_types/{group_type_id}/group_specs': () => ({ group_specs: metadata }),
  'volume PUT /group_types/{group_type_id}/group_specs/{key}': () => metadata,
  'volume POST /groups': ({ group_type, type }) => ({ group: { group_type, volume_types: [type] } }),
  'volume POST /groups/action create-from-src': ({ group }) => ({
    'create-from-src': { name: 'n', source_group_id: group },
  }),
  'volume PUT /groups/{id}': () => ({ group: { name: 'renamed' } }),
  'volume POST /groups/{id}/action delete': () => ({ delete: { 'delete-volumes': true } }),
  'volume POST /groups/{id}/action reset_status': () => ({ reset_status: { status: 'error' } }),
  'volume POST /groups/{id}/action enable_replication': () => ({ enable_replication: {} }),
  'volume POST /groups/{id}/action disable_replication': () => ({ disable_replication: {} }),
  'volume POST /groups/{id}/action failover_replication': () => ({
    failover_replication: { allow_attached_volume: true, secondary_backend_id: 'none' },
  }),
  'volume POST /groups/{id}/action list_replication_targets': () => ({ list_replication_targets: {} }),
  'volume POST /consistencygroups': ({ type }) => ({ consistencygroup: { volume_types: type } }),
  'volume POST /consistencygroups/create_from_src': ({ group }) => ({
    'consistencygroup-from-src': { name: 'n', source_cgid: group },
  }),
  'volume PUT /consistencygroups/{id}': () => ({ consistencygroup: { name: 'renamed' } }),
  'volume PUT /consistencygroups/{id}/update': () => ({ consistencygroup: { name: 'renamed' } }),
  'volume POST /consistencygroups/{id}/delete': () => ({ consistencygroup: { force: true } }),
  'volume POST /cgsnapshots': ({ group }) => ({ cgsnapshot: { consistencygroup_id: group } }),
  'volume POST /group_snapshots': ({ group }) => ({ group_snapshot: { group_id: group, name: 'n' } }),
  'volume POST /group_snapshots/{id}/action reset_status': () => ({ reset_status: { status: 'error' } }),
  'volume POST /qos-specs': () => ({ qos_specs: { name: randomUUID(), total_iops_sec: '5' } }),
  'volume PUT /qos-specs/{id}': () => ({ qos_specs: { total_iops_sec: '6' } }),
  'volume PUT /qos-specs/{id}/delete_keys': () => ({ keys: ['key'] }),
  'volume PUT /os-services/enable': () => service,
  'volume PUT /os-services/disable': () => service,
  'volume PUT /os-services/disable-log-reason': () => ({ ...service, disabled_reason: 'why' }),
  'volume PUT /os-services/freeze': () => ({ host: 'stor1@files' }),
  'volume PUT /os-services/thaw': () => ({ host: 'stor1@files' }),
  'volume PUT /os-services/failover_host': () => ({ host: 'stor1@files' }),
  'volume PUT /os-services/failover': () => ({ host: 'stor1@files' }),
  'volume PUT /os-services/{action}': () => ({}),
  'volume PUT /os-services/get-log': () => ({}),
  'volume PUT /os-services/set-log': () => ({ level: 'INFO' }),
  'volume PUT /os-hosts/{host}': () => ({ status: 'enable' }),
  'volume PUT /clusters/{action}': () => ({}),
  'volume PUT /clusters/enable': () => ({ name: 'none' }),
  'volume PUT /clusters/disable': () => ({ name: 'none' }),
  'volume POST /workers/cleanup': () => ({}),
  'volume PUT /os-quota-sets/{project}': () => ({ quota_set: { volumes: -1 } }),
  'volume PUT /os-quota-class-sets/{class}': () => ({ quota_class_set: { volumes: -1 } }),
  'compute POST /servers': ({ volume }) => ({
    server: {
      name: 'n',
      flavorRef: '1',
      block_device_mapping_v2: [
        { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: volume },
      ],
    },
  }),
  'compute PUT /servers/{id}': () => ({ server: { name: 'renamed' } }),
  'compute POST /servers/{id}/action os-start': () => ({ 'os-start': null }),
  'compute POST /servers/{id}/action os-stop': () => ({ 'os-stop': null }),
  'compute POST /servers/{id}/action reboot': () => ({ reboot: { type: 'SOFT' } }),
  'compute POST /servers/{id}/action os-getConsoleOutput': () => ({ 'os-getConsoleOutput': { length: 1 } }),
  'compute POST /servers/{server_id}/os-volume_attachments': ({ volume }) => ({
    volumeAttachment: { volumeId: volume },
  }),
  'compute PUT /servers/{server_id}/os-volume_attachments/{volume_id}': ({ plugged }) => ({
    volumeAttachment: { volumeId: plugged, delete_on_termination: true },
  }),
  'compute POST /flavors': () => ({ flavor: { name: randomUUID(), vcpus: 1, ram: 64, disk: 0 } }),
  'compute POST /flavors/{id}/os-extra_specs': () => ({ extra_specs: metadata }),
  'image POST /images': () => ({ name: 'n', disk_format: 'raw', container_format: 'bare', key: 'new' }),
  'image PATCH /images/{id}': () => [{ op: 'replace', path: '/name', value: 'renamed' }],
  'image POST /images/{id}/members': () => ({ member: 'cccccccccccccccccccccccccccccccc' }),
  'image PUT /images/{id}/members/{member_id}': () => ({ status: 'accepted' }),
  'image PUT /images/{id}/file': () => 'data',
};

/** Another's id in there names data, not one of its things: who may import is an administrator. */
function recordOf(volume: string): string {
  const service_metadata = JSON.stringify({
    store: STORE,
    repository: volume,
    data_id: volume,
    volume: { bootable: false, metadata: {}, imageMetadata: null },
  });
  const record = { id: randomUUID(), size: 1, volume_id: volume, service_metadata };
  return Buffer.from(JSON.stringify(record)).toString('base64');
}

/** Other shapes of a body, in which an id means something else. */
const VARIANTS: Readonly<Record<string, (own: Kit) => readonly unknown[]>> = {
  'volume POST /groups/action create-from-src': ({ group_snapshot }) => [
    { 'create-from-src': { name: 'n', group_snapshot_id: group_snapshot } },
  ],
  'volume POST /consistencygroups/create_from_src': ({ group_snapshot }) => [
    { 'consistencygroup-from-src': { cgsnapshot_id: group_snapshot } },
  ],
  'volume POST /backups': ({ volume, snapshot }) => [
    { backup: { volume_id: volume, snapshot_id: snapshot } },
  ],
  'volume POST /volumes': ({ backup }) => [{ volume: { size: 1, backup_id: backup } }],
  'compute POST /servers': (own) =>
    (['image', 'snapshot'] as const).map((source_type) => ({
      server: {
        name: 'n',
        flavorRef: '1',
        block_device_mapping_v2: [
          { boot_index: 0, source_type, destination_type: 'volume', volume_size: 1, uuid: own[source_type] },
        ],
      },
    })),
};

/** The good body and others like it. */
export function bodiesOf(target: Target, own: Kit): unknown[] {
  return [bodyOf(target, own), ...(VARIANTS[target.key]?.(own) ?? [])];
}

/**
 * A body that the route takes; undefined when it takes none.
 * @throws Error for a route that nobody has written one for yet.
 */
export function bodyOf({ key, route }: Target, own: Kit): unknown {
  if (route.body === undefined) return undefined;
  const body = BODIES[key];
  if (body === undefined)
    throw new Error(
      `"${key}" is new: the security tests need a good body for it, in ${import.meta.filename}`,
    );
  return body(own);
}

/** Bodies of routes that are no more. */
export function staleBodies(targets: readonly Target[]): string[] {
  const known = new Set(targets.map(({ key }) => key));
  return Object.keys(BODIES).filter((key) => !known.has(key));
}
