/** Cinder's "Snapshot manage and unmanage": snapshots of what lies on a backend already, and the way back. */
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { listManageable } from '../manageable-volumes/list.ts';
import { plainReply } from '../snapshots/schema.ts';
import { manageSnapshot } from './manage.ts';
import { detailReply, manageBody, summaryReply, unmanageBody } from './schema.ts';
import { listStoredSnapshots, type ManageableSnapshot } from './stored.ts';
import { unmanageSnapshot } from './unmanage.ts';

/** The first path since 3.8; the second is older, and what clients use that ask for no version. */
const PATHS = [{ path: '/manageable_snapshots', since: 8 }, { path: '/os-snapshot-manage' }] as const;

const shared = { params: noParams, query: anyQuery } as const;

const LISTING = {
  key: 'manageable-snapshots',
  stored: listStoredSnapshots,
  more: ({ origin }: ManageableSnapshot) => ({
    source_reference: origin === null ? {} : { 'source-name': origin },
  }),
} as const;

export const manageableSnapshotRoutes: readonly Route[] = [
  ...PATHS.flatMap(({ path, ...since }) => [
    route({
      method: 'POST',
      path,
      ...since,
      ...shared,
      summary: 'Manage an existing snapshot',
      body: manageBody,
      replies: { 202: plainReply },
      handle: (context, { body }) => manageSnapshot(context, body.snapshot),
    }),
    route({
      method: 'GET',
      path,
      ...since,
      ...shared,
      summary: 'List snapshots that could be managed',
      queryNames: [...LIST_QUERY, 'host', 'cluster'],
      replies: { 200: summaryReply },
      handle: (context, { query }) => listManageable(context, query, false, LISTING),
    }),
    route({
      method: 'GET',
      path: `${path}/detail`,
      ...since,
      ...shared,
      summary: 'List snapshots that could be managed, with details',
      queryNames: [...LIST_QUERY, 'host', 'cluster'],
      replies: { 200: detailReply },
      handle: (context, { query }) => listManageable(context, query, true, LISTING),
    }),
  ]),
  route({
    method: 'POST',
    path: '/snapshots/{id}/action',
    action: 'os-unmanage',
    summary: 'Unmanage a snapshot',
    params: idParams,
    query: anyQuery,
    body: unmanageBody,
    replies: { 202: null },
    handle: (context, { params }) => unmanageSnapshot(context, params.id),
  }),
];
