/** Cinder's "Snapshot manage and unmanage": snapshots of what lies on a backend already, and the way back. */
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { manageableLists } from '../manageable-volumes/list-routes.ts';
import { plainReply } from '../snapshots/schema.ts';
import { manageSnapshot } from './manage.ts';
import { detailReply, manageBody, summaryReply, unmanageBody } from './schema.ts';
import { listStoredSnapshots, type ManageableSnapshot } from './stored.ts';
import { unmanageSnapshot } from './unmanage.ts';

/** The first path since 3.8; the second is older, and what clients use that ask for no version. */
const PATHS = [{ path: '/manageable_snapshots', since: 8 }, { path: '/os-snapshot-manage' }] as const;

const LISTING = {
  summary: 'List snapshots that could be managed',
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
      summary: 'Manage an existing snapshot',
      params: noParams,
      query: anyQuery,
      body: manageBody,
      replies: { 202: plainReply },
      handle: (context, { body }) => manageSnapshot(context, body.snapshot),
    }),
    ...manageableLists({ path, ...since }, LISTING, { short: summaryReply, detail: detailReply }),
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
