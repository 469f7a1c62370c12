import type { Policy } from './rule.ts';

/** Cinder's rules under Cinder's names (secure RBAC: admin, member, reader), and ours for what Cinder lacks. */
export const BLOCK_STORAGE_POLICY: Policy = {
  // Volumes
  'volume:create': ['member', 'POST /volumes'],
  'volume:get': ['reader', 'GET /volumes/{id}'],
  'volume:get_all': ['reader', 'GET /volumes', 'GET /volumes/detail', 'GET /volumes/summary'],
  'volume:update': ['member', 'PUT /volumes/{id}', 'POST /volumes/{id}/action#os-set_bootable'],
  'volume:delete': ['member', 'DELETE /volumes/{id}'],
  'volume:get_volume_metadata': [
    'reader',
    'GET /volumes/{id}/metadata',
    'GET /volumes/{id}/metadata/{key}',
    'POST /volumes/{id}/action#os-show_image_metadata',
  ],
  'volume_extension:volume_encryption_metadata': [
    'reader',
    'GET /volumes/{id}/encryption',
    'GET /volumes/{id}/encryption/{item}',
  ],
  'volume:create_volume_metadata': ['member', 'POST /volumes/{id}/metadata'],
  'volume:update_volume_metadata': [
    'member',
    'PUT /volumes/{id}/metadata',
    'PUT /volumes/{id}/metadata/{key}',
  ],
  'volume:delete_volume_metadata': ['member', 'DELETE /volumes/{id}/metadata/{key}'],
  'volume_extension:volume_image_metadata:set': ['member', 'POST /volumes/{id}/action#os-set_image_metadata'],
  'volume_extension:volume_image_metadata:remove': [
    'member',
    'POST /volumes/{id}/action#os-unset_image_metadata',
  ],
  'volume:extend': ['member', 'POST /volumes/{id}/action#os-extend'],
  'volume:update_readonly_flag': ['member', 'POST /volumes/{id}/action#os-update_readonly_flag'],
  'volume_extension:volume_actions:attach': ['member', 'POST /volumes/{id}/action#os-attach'],
  'volume_extension:volume_actions:detach': ['member', 'POST /volumes/{id}/action#os-detach'],
  'volume_extension:volume_actions:reserve': ['member', 'POST /volumes/{id}/action#os-reserve'],
  'volume_extension:volume_actions:unreserve': ['member', 'POST /volumes/{id}/action#os-unreserve'],
  'volume_extension:volume_actions:begin_detaching': [
    'member',
    'POST /volumes/{id}/action#os-begin_detaching',
  ],
  'volume_extension:volume_actions:roll_detaching': ['member', 'POST /volumes/{id}/action#os-roll_detaching'],
  'volume_extension:volume_actions:initialize_connection': [
    'member',
    'POST /volumes/{id}/action#os-initialize_connection',
  ],
  'volume_extension:volume_actions:terminate_connection': [
    'member',
    'POST /volumes/{id}/action#os-terminate_connection',
  ],
  'volume_extension:volume_actions:upload_image': [
    'member',
    'POST /volumes/{id}/action#os-volume_upload_image',
  ],
  'volume_extension:volume_admin_actions:extend_volume_completion': [
    'admin',
    'POST /volumes/{id}/action#os-extend_volume_completion',
  ],
  'volume_extension:volume_admin_actions:reset_status': [
    'admin',
    'POST /volumes/{id}/action#os-reset_status',
  ],
  'volume_extension:volume_admin_actions:force_delete': [
    'admin',
    'POST /volumes/{id}/action#os-force_delete',
  ],
  'volume_extension:volume_admin_actions:force_detach': [
    'admin',
    'POST /volumes/{id}/action#os-force_detach',
  ],
  'volume:revert_to_snapshot': ['member', 'POST /volumes/{id}/action#revert'],
  'volume:retype': ['member', 'POST /volumes/{id}/action#os-retype'],
  'volume:reimage': ['member', 'POST /volumes/{id}/action#os-reimage'],
  'volume_extension:volume_admin_actions:migrate_volume': [
    'admin',
    'POST /volumes/{id}/action#os-migrate_volume',
  ],
  'volume_extension:volume_admin_actions:migrate_volume_completion': [
    'admin',
    'POST /volumes/{id}/action#os-migrate_volume_completion',
  ],
  'volume_extension:volume_unmanage': ['admin', 'POST /volumes/{id}/action#os-unmanage'],
  'volume_extension:volume_manage': ['admin', 'POST /manageable_volumes', 'POST /os-volume-manage'],
  'volume_extension:list_manageable': [
    'admin',
    'GET /manageable_volumes',
    'GET /manageable_volumes/detail',
    'GET /os-volume-manage',
    'GET /os-volume-manage/detail',
  ],

  // Snapshots
  'volume:create_snapshot': ['member', 'POST /snapshots'],
  'volume:get_snapshot': ['reader', 'GET /snapshots/{id}'],
  'volume:get_all_snapshots': ['reader', 'GET /snapshots', 'GET /snapshots/detail'],
  'volume:update_snapshot': ['member', 'PUT /snapshots/{id}'],
  'volume:delete_snapshot': ['member', 'DELETE /snapshots/{id}'],
  'volume:get_snapshot_metadata': [
    'reader',
    'GET /snapshots/{id}/metadata',
    'GET /snapshots/{id}/metadata/{key}',
  ],
  'volume:update_snapshot_metadata': [
    'member',
    'POST /snapshots/{id}/metadata',
    'PUT /snapshots/{id}/metadata',
    'PUT /snapshots/{id}/metadata/{key}',
  ],
  'volume:delete_snapshot_metadata': ['member', 'DELETE /snapshots/{id}/metadata/{key}'],
  'snapshot_extension:snapshot_actions:update_snapshot_status': [
    'member',
    'POST /snapshots/{id}/action#os-update_snapshot_status',
  ],
  'volume_extension:snapshot_admin_actions:reset_status': [
    'admin',
    'POST /snapshots/{id}/action#os-reset_status',
  ],
  'volume_extension:snapshot_admin_actions:force_delete': [
    'admin',
    'POST /snapshots/{id}/action#os-force_delete',
  ],

  'snapshot_extension:snapshot_unmanage': ['admin', 'POST /snapshots/{id}/action#os-unmanage'],
  'snapshot_extension:snapshot_manage': ['admin', 'POST /manageable_snapshots', 'POST /os-snapshot-manage'],
  'snapshot_extension:list_manageable': [
    'admin',
    'GET /manageable_snapshots',
    'GET /manageable_snapshots/detail',
    'GET /os-snapshot-manage',
    'GET /os-snapshot-manage/detail',
  ],

  // Backups
  'backup:get_all': ['reader', 'GET /backups', 'GET /backups/detail'],
  'backup:get': ['reader', 'GET /backups/{id}'],
  'backup:create': ['member', 'POST /backups'],
  'backup:update': ['member', 'PUT /backups/{id}'],
  'backup:delete': ['member', 'DELETE /backups/{id}'],
  'backup:restore': ['member', 'POST /backups/{id}/restore'],
  'backup:backup-import': ['admin', 'POST /backups/import_record'],
  'backup:export-import': ['admin', 'GET /backups/{id}/export_record'],
  'volume_extension:backup_admin_actions:reset_status': [
    'admin',
    'POST /backups/{id}/action#os-reset_status',
  ],
  'volume_extension:backup_admin_actions:force_delete': [
    'admin',
    'POST /backups/{id}/action#os-force_delete',
  ],

  // Attachments; Cinder shows them to whoever may see the volume.
  'volume:attachment_create': ['member', 'POST /attachments'],
  'volume:attachment_update': ['member', 'PUT /attachments/{id}'],
  'volume:attachment_delete': ['member', 'DELETE /attachments/{id}'],
  'volume:attachment_complete': ['member', 'POST /attachments/{id}/action#os-complete'],
  'blockyard:attachments': ['reader', 'GET /attachments', 'GET /attachments/detail', 'GET /attachments/{id}'],

  // Transfers
  'volume:get_all_transfers': [
    'reader',
    'GET /os-volume-transfer',
    'GET /os-volume-transfer/detail',
    'GET /volume-transfers',
    'GET /volume-transfers/detail',
  ],
  'volume:get_transfer': ['reader', 'GET /os-volume-transfer/{id}', 'GET /volume-transfers/{id}'],
  'volume:create_transfer': ['member', 'POST /os-volume-transfer', 'POST /volume-transfers'],
  'volume:accept_transfer': [
    'member',
    'POST /os-volume-transfer/{id}/accept',
    'POST /volume-transfers/{id}/accept',
  ],
  'volume:delete_transfer': ['member', 'DELETE /os-volume-transfer/{id}', 'DELETE /volume-transfers/{id}'],

  // Groups
  'group:get_all': [
    'reader',
    'GET /groups',
    'GET /groups/detail',
    'GET /consistencygroups',
    'GET /consistencygroups/detail',
  ],
  'group:get': ['reader', 'GET /groups/{id}', 'GET /consistencygroups/{id}'],
  'group:create': [
    'member',
    'POST /groups',
    'POST /groups/action#create-from-src',
    'POST /consistencygroups',
    'POST /consistencygroups/create_from_src',
  ],
  'group:update': [
    'member',
    'PUT /groups/{id}',
    'PUT /consistencygroups/{id}',
    'PUT /consistencygroups/{id}/update',
  ],
  'group:delete': ['member', 'POST /groups/{id}/action#delete', 'POST /consistencygroups/{id}/delete'],
  'group:reset_status': ['admin', 'POST /groups/{id}/action#reset_status'],
  'group:enable_replication': ['member', 'POST /groups/{id}/action#enable_replication'],
  'group:disable_replication': ['member', 'POST /groups/{id}/action#disable_replication'],
  'group:failover_replication': ['member', 'POST /groups/{id}/action#failover_replication'],
  'group:list_replication_targets': ['member', 'POST /groups/{id}/action#list_replication_targets'],
  'group:get_all_group_snapshots': [
    'reader',
    'GET /group_snapshots',
    'GET /group_snapshots/detail',
    'GET /cgsnapshots',
    'GET /cgsnapshots/detail',
  ],
  'group:get_group_snapshot': ['reader', 'GET /group_snapshots/{id}', 'GET /cgsnapshots/{id}'],
  'group:create_group_snapshot': ['member', 'POST /group_snapshots', 'POST /cgsnapshots'],
  'group:delete_group_snapshot': ['member', 'DELETE /group_snapshots/{id}', 'DELETE /cgsnapshots/{id}'],
  'group:reset_group_snapshot_status': ['admin', 'POST /group_snapshots/{id}/action#reset_status'],
  // Cinder shows group types to whoever has a token.
  'blockyard:group_types': ['reader', 'GET /group_types', 'GET /group_types/{id}'],
  'group:group_types:create': ['admin', 'POST /group_types'],
  'group:group_types:update': ['admin', 'PUT /group_types/{id}'],
  'group:group_types:delete': ['admin', 'DELETE /group_types/{id}'],
  'group:group_types_specs:get': ['admin', 'GET /group_types/{id}/group_specs/{key}'],
  'group:group_types_specs:get_all': ['admin', 'GET /group_types/{id}/group_specs'],
  'group:group_types_specs:create': ['admin', 'POST /group_types/{id}/group_specs'],
  'group:group_types_specs:update': ['admin', 'PUT /group_types/{id}/group_specs/{key}'],
  'group:group_types_specs:delete': ['admin', 'DELETE /group_types/{id}/group_specs/{key}'],

  // Types
  'volume_extension:type_get': ['reader', 'GET /types/{id}'],
  'volume_extension:type_get_all': ['reader', 'GET /types'],
  'volume_extension:type_create': ['admin', 'POST /types'],
  'volume_extension:type_update': ['admin', 'PUT /types/{id}'],
  'volume_extension:type_delete': ['admin', 'DELETE /types/{id}'],
  'volume_extension:types_extra_specs:index': ['reader', 'GET /types/{type_id}/extra_specs'],
  'volume_extension:types_extra_specs:show': ['reader', 'GET /types/{type_id}/extra_specs/{key}'],
  'volume_extension:types_extra_specs:create': ['admin', 'POST /types/{type_id}/extra_specs'],
  'volume_extension:types_extra_specs:update': ['admin', 'PUT /types/{type_id}/extra_specs/{key}'],
  'volume_extension:types_extra_specs:delete': ['admin', 'DELETE /types/{type_id}/extra_specs/{key}'],
  'volume_extension:volume_type_access:get_all_for_type': [
    'admin',
    'GET /types/{type_id}/os-volume-type-access',
  ],
  'volume_extension:volume_type_access:addProjectAccess': [
    'admin',
    'POST /types/{id}/action#addProjectAccess',
  ],
  'volume_extension:volume_type_access:removeProjectAccess': [
    'admin',
    'POST /types/{id}/action#removeProjectAccess',
  ],
  'volume_extension:volume_type_encryption:get': [
    'admin',
    'GET /types/{type_id}/encryption',
    'GET /types/{type_id}/encryption/{key}',
  ],
  'volume_extension:volume_type_encryption:create': ['admin', 'POST /types/{type_id}/encryption'],
  'volume_extension:volume_type_encryption:update': ['admin', 'PUT /types/{type_id}/encryption/{key}'],
  'volume_extension:volume_type_encryption:delete': ['admin', 'DELETE /types/{type_id}/encryption/{key}'],
  'volume_extension:default_get': ['admin', 'GET /default-types/{project}'],
  'volume_extension:default_get_all': ['admin', 'GET /default-types'],
  'volume_extension:default_set_or_update': ['admin', 'PUT /default-types/{project}'],
  'volume_extension:default_unset': ['admin', 'DELETE /default-types/{project}'],

  // QoS
  'volume_extension:qos_specs_manage:get': ['admin', 'GET /qos-specs/{id}'],
  'volume_extension:qos_specs_manage:get_all': [
    'admin',
    'GET /qos-specs',
    'GET /qos-specs/{id}/associations',
  ],
  'volume_extension:qos_specs_manage:create': ['admin', 'POST /qos-specs'],
  'volume_extension:qos_specs_manage:update': [
    'admin',
    'PUT /qos-specs/{id}',
    'GET /qos-specs/{id}/associate',
    'GET /qos-specs/{id}/disassociate',
    'GET /qos-specs/{id}/disassociate_all',
  ],
  'volume_extension:qos_specs_manage:delete': [
    'admin',
    'DELETE /qos-specs/{id}',
    'PUT /qos-specs/{id}/delete_keys',
  ],

  // Limits and quotas
  'limits_extension:used_limits': ['reader', 'GET /limits'],
  'volume_extension:quotas:show': [
    'reader',
    'GET /os-quota-sets/{project}',
    'GET /os-quota-sets/{project}/defaults',
  ],
  'volume_extension:quotas:update': ['admin', 'PUT /os-quota-sets/{project}'],
  'volume_extension:quotas:delete': ['admin', 'DELETE /os-quota-sets/{project}'],
  'volume_extension:quota_classes:get': ['admin', 'GET /os-quota-class-sets/{class}'],
  'volume_extension:quota_classes:update': ['admin', 'PUT /os-quota-class-sets/{class}'],

  // Messages
  'message:get': ['reader', 'GET /messages/{id}'],
  'message:get_all': ['reader', 'GET /messages'],
  'message:delete': ['member', 'DELETE /messages/{id}'],

  // Operators
  'volume_extension:services:index': ['admin', 'GET /os-services'],
  'volume_extension:services:update': [
    'admin',
    'PUT /os-services/enable',
    'PUT /os-services/disable',
    'PUT /os-services/disable-log-reason',
    'PUT /os-services/get-log',
    'PUT /os-services/set-log',
    // Cinder asks for this rule first, and only then for one for each of these.
    'PUT /os-services/freeze',
    'PUT /os-services/thaw',
    'PUT /os-services/failover_host',
    'PUT /os-services/failover',
    'PUT /os-services/{action}',
  ],
  'volume_extension:hosts': ['admin', 'GET /os-hosts', 'GET /os-hosts/{host}', 'PUT /os-hosts/{host}'],
  'volume_extension:capabilities': ['admin', 'GET /capabilities/{host}'],
  'clusters:get_all': ['admin', 'GET /clusters', 'GET /clusters/detail'],
  'clusters:get': ['admin', 'GET /clusters/{name}'],
  'clusters:update': ['admin', 'PUT /clusters/enable', 'PUT /clusters/disable', 'PUT /clusters/{action}'],
  'workers:cleanup': ['admin', 'POST /workers/cleanup'],
  'scheduler_extension:scheduler_stats:get_pools': ['admin', 'GET /scheduler-stats/get_pools'],

  // What Cinder has without a rule, and what it has not.
  'blockyard:availability_zones': ['reader', 'GET /os-availability-zone'],
  'blockyard:resource_filters': ['reader', 'GET /resource_filters'],
  'blockyard:extensions': ['reader', 'GET /extensions', 'GET /extensions/{alias}'],
  'blockyard:operations': ['reader', 'GET /operations', 'GET /operations/{id}'],
  'blockyard:evictions': ['admin', 'GET /evictions'],
  'blockyard:status': ['admin', 'GET /status'],
  'blockyard:drift': ['admin', 'GET /drift'],
  'blockyard:repair': ['admin', 'POST /drift/repair'],
};
