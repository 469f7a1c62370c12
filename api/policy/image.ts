import type { Policy } from './rule.ts';

/** Glance's rules under Glance's names. Whose image it is, and how it is shared, is the handlers' matter. */
export const IMAGE_POLICY: Policy = {
  get_images: ['reader', 'GET /images'],
  get_image: ['reader', 'GET /images/{id}'],
  add_image: ['member', 'POST /images'],
  modify_image: [
    'member',
    'PATCH /images/{id}',
    'PUT /images/{id}/tags/{tag}',
    'DELETE /images/{id}/tags/{tag}',
  ],
  delete_image: ['member', 'DELETE /images/{id}'],
  upload_image: ['member', 'PUT /images/{id}/file'],
  download_image: ['reader', 'GET /images/{id}/file'],
  deactivate: ['member', 'POST /images/{id}/actions/deactivate'],
  reactivate: ['member', 'POST /images/{id}/actions/reactivate'],
  get_members: ['reader', 'GET /images/{id}/members'],
  get_member: ['reader', 'GET /images/{id}/members/{member_id}'],
  add_member: ['member', 'POST /images/{id}/members'],
  modify_member: ['member', 'PUT /images/{id}/members/{member_id}'],
  delete_member: ['member', 'DELETE /images/{id}/members/{member_id}'],
  // Glance has no rules for these.
  documents: [
    'reader',
    'GET /schemas/image',
    'GET /schemas/images',
    'GET /schemas/member',
    'GET /schemas/members',
    'GET /info/import',
  ],
};
