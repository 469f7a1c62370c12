/** Cinder's "Volume manage and unmanage": volumes of what lies on a backend already, and the way back. */
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { volumeReply } from '../volumes/schema.ts';
import { manageableLists } from './list-routes.ts';
import { manageVolume } from './manage.ts';
import { detailReply, manageBody, summaryReply, unmanageBody } from './schema.ts';
import { listStored } from './stored.ts';
import { unmanageVolume } from './unmanage.ts';

/** The first path since 3.8; the second is older, and what clients use that ask for no version. */
const PATHS = [{ path: '/manageable_volumes', since: 8 }, { path: '/os-volume-manage' }] as const;

const LISTING = {
  summary: 'List what could be managed',
  key: 'manageable-volumes',
  stored: listStored,
  more: () => ({}),
} as const;

export const manageableVolumeRoutes: readonly Route[] = [
  ...PATHS.flatMap(({ path, ...since }) => [
    route({
      method: 'POST',
      path,
      ...since,
      summary: 'Manage an existing volume',
      params: noParams,
      query: anyQuery,
      body: manageBody,
      replies: { 202: volumeReply },
      handle: (context, { body }) => manageVolume(context, body.volume),
    }),
    ...manageableLists({ path, ...since }, LISTING, { short: summaryReply, detail: detailReply }),
  ]),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-unmanage',
    summary: 'Unmanage a volume',
    params: idParams,
    query: anyQuery,
    body: unmanageBody,
    replies: { 202: null },
    handle: (context, { params }) => unmanageVolume(context, params.id),
  }),
];
