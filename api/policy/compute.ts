import type { Policy } from './rule.ts';

/** Nova's rules under Nova's names. */
export const COMPUTE_POLICY: Policy = {
  'os_compute_api:servers:index': ['reader', 'GET /servers'],
  'os_compute_api:servers:detail': ['reader', 'GET /servers/detail'],
  'os_compute_api:servers:show': ['reader', 'GET /servers/{id}'],
  'os_compute_api:servers:create': ['member', 'POST /servers'],
  'os_compute_api:servers:update': ['member', 'PUT /servers/{id}'],
  'os_compute_api:servers:delete': ['member', 'DELETE /servers/{id}'],
  'os_compute_api:servers:start': ['member', 'POST /servers/{id}/action#os-start'],
  'os_compute_api:servers:stop': ['member', 'POST /servers/{id}/action#os-stop'],
  'os_compute_api:servers:reboot': ['member', 'POST /servers/{id}/action#reboot'],
  'os_compute_api:os-console-output': ['member', 'POST /servers/{id}/action#os-getConsoleOutput'],
  'os_compute_api:os-volumes-attachments:index': ['reader', 'GET /servers/{server_id}/os-volume_attachments'],
  'os_compute_api:os-volumes-attachments:show': [
    'reader',
    'GET /servers/{server_id}/os-volume_attachments/{volume_id}',
  ],
  'os_compute_api:os-volumes-attachments:create': [
    'member',
    'POST /servers/{server_id}/os-volume_attachments',
  ],
  'os_compute_api:os-volumes-attachments:update': [
    'member',
    'PUT /servers/{server_id}/os-volume_attachments/{volume_id}',
  ],
  'os_compute_api:os-volumes-attachments:delete': [
    'member',
    'DELETE /servers/{server_id}/os-volume_attachments/{volume_id}',
  ],
  'os_compute_api:os-instance-actions:list': ['reader', 'GET /servers/{server_id}/os-instance-actions'],
  'os_compute_api:os-instance-actions:show': [
    'reader',
    'GET /servers/{server_id}/os-instance-actions/{request_id}',
  ],
  // Nova lists flavors to whoever has a token.
  'os_compute_api:flavors': ['reader', 'GET /flavors', 'GET /flavors/detail', 'GET /flavors/{id}'],
  'os_compute_api:os-flavor-manage:create': ['admin', 'POST /flavors'],
  'os_compute_api:os-flavor-manage:delete': ['admin', 'DELETE /flavors/{id}'],
  'os_compute_api:os-flavor-extra-specs:index': ['reader', 'GET /flavors/{id}/os-extra_specs'],
  'os_compute_api:os-flavor-extra-specs:create': ['admin', 'POST /flavors/{id}/os-extra_specs'],
  'os_compute_api:os-flavor-extra-specs:delete': ['admin', 'DELETE /flavors/{id}/os-extra_specs/{key}'],
  'os_compute_api:limits': ['reader', 'GET /limits'],
  'os_compute_api:os-quota-sets:show': ['reader', 'GET /os-quota-sets/{project}'],
  'os_compute_api:os-quota-sets:detail': ['reader', 'GET /os-quota-sets/{project}/detail'],
  'os_compute_api:os-quota-sets:delete': ['admin', 'DELETE /os-quota-sets/{project}'],
  'os_compute_api:os-quota-sets:defaults': ['reader', 'GET /os-quota-sets/{project}/defaults'],
  'os_compute_api:os-quota-class-sets:show': ['admin', 'GET /os-quota-class-sets/{class}'],
};
