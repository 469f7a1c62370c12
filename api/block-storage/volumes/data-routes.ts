/** Actions that give a volume other data, or its data another place. */
import { z } from 'zod';
import { badRequest } from '#api/http/errors.ts';
import { anyQuery, flag, idParams, text255, uuid } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { required, unexpected } from '../versioned-body.ts';
import { completeMigration, migrateVolume } from './migrate.ts';
import { reimageVolume } from './reimage.ts';
import { retypeVolume } from './retype.ts';
import { revertVolume } from './revert.ts';

const REVERT_SINCE = 40;
const REIMAGE_SINCE = 68;
const CLUSTER_SINCE = 16;

const action = {
  method: 'POST',
  path: '/volumes/{id}/action',
  params: idParams,
  query: anyQuery,
  replies: { 202: null },
} as const;

const revertBody = z.strictObject({ revert: z.unknown() });
const retypeBody = z.strictObject({
  'os-retype': z.strictObject({
    new_type: z.string(),
    migration_policy: z
      .enum(['on-demand', 'never'], { error: "is not one of ['on-demand', 'never']" })
      .optional(),
  }),
});
const migrateBody = z.strictObject({
  'os-migrate_volume': z.strictObject({
    host: text255.nullish(),
    cluster: text255.nullish(),
    force_host_copy: flag.optional(),
    lock_volume: flag.optional(),
  }),
});
const completionBody = z.strictObject({
  'os-migrate_volume_completion': z.strictObject({
    new_volume: uuid,
    error: z.union([z.string(), z.boolean()]).nullish(),
  }),
});
const reimageBody = z.strictObject({
  'os-reimage': z.strictObject({ image_id: uuid, reimage_reserved: flag.optional() }),
});

export const dataRoutes: readonly Route[] = [
  route({
    ...action,
    action: 'revert',
    since: REVERT_SINCE,
    summary: 'Revert a volume to its newest snapshot',
    body: revertBody,
    handle(context, { params, body: { revert } }) {
      if (typeof revert !== 'object' || revert === null || Array.isArray(revert))
        throw badRequest("Missing required element 'revert' in request body.");
      return revertVolume(context, params.id, 'snapshot_id' in revert ? revert.snapshot_id : null);
    },
  }),
  route({
    ...action,
    action: 'os-retype',
    summary: 'Give a volume another type',
    body: retypeBody,
    handle: (context, { params, body }) => retypeVolume(context, params.id, body['os-retype']),
  }),
  route({
    ...action,
    action: 'os-migrate_volume',
    summary: 'Move a volume to another pool',
    body: migrateBody,
    handle(context, { params, body }) {
      const asked = body['os-migrate_volume'];
      if (context.microversion < CLUSTER_SINCE) {
        if (asked.cluster !== undefined) throw unexpected('os-migrate_volume', asked, ['cluster']);
        if (asked.host === undefined) throw required('os-migrate_volume', asked, 'host');
      }
      return migrateVolume(context, params.id, asked);
    },
  }),
  route({
    ...action,
    action: 'os-migrate_volume_completion',
    summary: 'Complete a migration that a compute service has made',
    body: completionBody,
    handle: (context, { params, body }) =>
      completeMigration(context, params.id, body['os-migrate_volume_completion'].new_volume),
  }),
  route({
    ...action,
    action: 'os-reimage',
    since: REIMAGE_SINCE,
    summary: 'Write an image over a volume',
    body: reimageBody,
    handle(context, { params, body }) {
      const { image_id: image, reimage_reserved: reserved = false } = body['os-reimage'];
      return reimageVolume(context, params.id, image, reserved);
    },
  }),
];
