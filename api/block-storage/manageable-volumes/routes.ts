/** Cinder's "Volume manage and unmanage": volumes of what lies on a backend already, and the way back. */
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { volumeReply } from '../volumes/schema.ts';
import { listManageable } from './list.ts';
import { manageVolume } from './manage.ts';
import { detailReply, manageBody, summaryReply, unmanageBody } from './schema.ts';
import { listStored } from './stored.ts';
import { unmanageVolume } from './unmanage.ts';

/** The first path since 3.8; the second is older, and what clients use that ask for no version. */
const PATHS = [{ path: '/manageable_volumes', since: 8 }, { path: '/os-volume-manage' }] as const;

const shared = { params: noParams, query: anyQuery } as const;

const LISTING = {
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
      ...shared,
      summary: 'Manage an existing volume',
      body: manageBody,
      replies: { 202: volumeReply },
      handle: (context, { body }) => manageVolume(context, body.volume),
    }),
    route({
      method: 'GET',
      path,
      ...since,
      ...shared,
      summary: 'List what could be managed',
      queryNames: [...LIST_QUERY, 'host', 'cluster'],
      replies: { 200: summaryReply },
      handle: (context, { query }) => listManageable(context, query, false, LISTING),
    }),
    route({
      method: 'GET',
      path: `${path}/detail`,
      ...since,
      ...shared,
      summary: 'List what could be managed, with details',
      queryNames: [...LIST_QUERY, 'host', 'cluster'],
      replies: { 200: detailReply },
      handle: (context, { query }) => listManageable(context, query, true, LISTING),
    }),
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
