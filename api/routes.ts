import { z } from 'zod';
import { attachmentRoutes } from './block-storage/attachments/routes.ts';
import { availabilityZoneRoutes } from './block-storage/availability-zones/routes.ts';
import { backupRoutes } from './block-storage/backups/routes.ts';
import { capabilityRoutes } from './block-storage/capabilities/routes.ts';
import { clusterRoutes } from './block-storage/clusters/routes.ts';
import { consistencyGroupRoutes } from './block-storage/consistency-groups/routes.ts';
import { driftRoutes } from './block-storage/drift/routes.ts';
import { evictionRoutes } from './block-storage/evictions/routes.ts';
import { extensionRoutes } from './block-storage/extensions/routes.ts';
import { groupSnapshotRoutes } from './block-storage/group-snapshots/routes.ts';
import { groupTypeRoutes } from './block-storage/group-types/routes.ts';
import { groupRoutes } from './block-storage/groups/routes.ts';
import { hostRoutes } from './block-storage/hosts/routes.ts';
import { limitRoutes } from './block-storage/limits/routes.ts';
import { manageableSnapshotRoutes } from './block-storage/manageable-snapshots/routes.ts';
import { manageableVolumeRoutes } from './block-storage/manageable-volumes/routes.ts';
import { messageRoutes } from './block-storage/messages/routes.ts';
import { operationRoutes } from './block-storage/operations/routes.ts';
import { poolRoutes } from './block-storage/pools/routes.ts';
import { qosRoutes } from './block-storage/qos-specs/routes.ts';
import { quotaRoutes } from './block-storage/quotas/routes.ts';
import { resourceFilterRoutes } from './block-storage/resource-filters/routes.ts';
import { serviceRoutes } from './block-storage/services/routes.ts';
import { snapshotRoutes } from './block-storage/snapshots/routes.ts';
import { statusRoutes } from './block-storage/status/routes.ts';
import { transferRoutes } from './block-storage/transfers/routes.ts';
import { typeRoutes } from './block-storage/types/routes.ts';
import { volumeRoutes } from './block-storage/volumes/routes.ts';
import { workerRoutes } from './block-storage/workers/routes.ts';
import { flavorRoutes } from './compute/flavors/routes.ts';
import { instanceActionRoutes } from './compute/instance-actions/routes.ts';
import { computeQuotaRoutes } from './compute/quotas/routes.ts';
import { serverRoutes } from './compute/servers/routes.ts';
import { volumeAttachmentRoutes } from './compute/volume-attachments/routes.ts';
import type { ApiRoot } from './http/dispatch.ts';
import type { Document } from './http/document.ts';
import { BLOCK_STORAGE_VERSIONS, COMPUTE_VERSIONS } from './http/microversion.ts';
import { describeApis } from './http/openapi.ts';
import type { Reply, Route } from './http/route.ts';
import { Router } from './http/router.ts';
import { login } from './identity/login.ts';
import { identityRoutes } from './identity/routes.ts';
import { imageRoutes } from './image/routes.ts';
import { ticketBearer } from './image/ticket.ts';
import { type Decisions, decide } from './policy/decide.ts';
import { POLICIES } from './policy/policies.ts';
import { versionDocuments } from './versions/documents.ts';

/** Cinder's API v3, and what we add to it. */
export const blockStorageRoutes: readonly Route[] = [
  ...volumeRoutes,
  ...snapshotRoutes,
  ...backupRoutes,
  ...attachmentRoutes,
  ...typeRoutes,
  ...qosRoutes,
  ...transferRoutes,
  ...groupTypeRoutes,
  ...groupRoutes,
  ...groupSnapshotRoutes,
  ...consistencyGroupRoutes,
  ...serviceRoutes,
  ...hostRoutes,
  ...capabilityRoutes,
  ...clusterRoutes,
  ...workerRoutes,
  ...resourceFilterRoutes,
  ...poolRoutes,
  ...limitRoutes,
  ...quotaRoutes,
  ...availabilityZoneRoutes,
  ...extensionRoutes,
  ...operationRoutes,
  ...evictionRoutes,
  ...statusRoutes,
  ...driftRoutes,
  ...manageableVolumeRoutes,
  ...manageableSnapshotRoutes,
  ...messageRoutes,
];

/** The part of Nova's API v2.1 that boots servers from volumes and attaches more. */
export const computeRoutes: readonly Route[] = [
  ...serverRoutes,
  ...volumeAttachmentRoutes,
  ...instanceActionRoutes,
  ...flavorRoutes,
  ...computeQuotaRoutes,
];

const decisionsOf = (api: keyof typeof POLICIES, routes: readonly Route[]): Decisions =>
  decide(POLICIES[api].policy, routes, POLICIES[api].words);

/** Each API's policy, laid over its routes. */
export const decisions = {
  volume: decisionsOf('volume', blockStorageRoutes),
  compute: decisionsOf('compute', computeRoutes),
  image: decisionsOf('image', imageRoutes),
  identity: decisionsOf('identity', identityRoutes),
} as const;

export const apiRoots: readonly ApiRoot[] = [
  {
    prefix: '/v3',
    versions: BLOCK_STORAGE_VERSIONS,
    router: new Router(blockStorageRoutes),
    decisions: decisions.volume,
    // 3.67 says that it may be left out; Cinder looks at no version for that.
    projectOptionalSince: 0,
    wrongMethod: 404,
    suffix: '.json',
  },
  {
    prefix: '/compute/v2.1',
    versions: COMPUTE_VERSIONS,
    router: new Router(computeRoutes),
    decisions: decisions.compute,
    projectOptionalSince: 1,
    legacyVersionHeader: 'x-openstack-nova-api-version',
  },
  {
    prefix: '/identity/v3',
    vary: 'X-Auth-Token',
    words: 'keystone',
    router: new Router(identityRoutes),
    decisions: decisions.identity,
    projectOptionalSince: 0,
    login,
    closed: ({ keystoneUrl }) => (keystoneUrl === undefined ? null : `Log in at ${keystoneUrl}.`),
  },
  ...['/image/v2', '/image'].map(imageRoot),
];

/** Clients that are given an endpoint and told to look no further (`admin_token`) leave out the version. */
function imageRoot(prefix: string): ApiRoot {
  return {
    prefix,
    router: new Router(imageRoutes),
    decisions: decisions.image,
    projectOptionalSince: 0,
    bearer: ticketBearer,
    closed: ({ images }) => images.closed,
  };
}

/** The document is made when it is first asked for, and then kept. */
let openApi: string | undefined;

function describeAll(): Reply {
  openApi ??= JSON.stringify(
    describeApis(
      [
        {
          prefix: '/v3/{project_id}',
          tag: 'Block storage',
          versions: BLOCK_STORAGE_VERSIONS,
          routes: blockStorageRoutes,
          decisions: decisions.volume,
        },
        {
          prefix: '/compute/v2.1',
          tag: 'Compute',
          versions: COMPUTE_VERSIONS,
          routes: computeRoutes,
          decisions: decisions.compute,
        },
        { prefix: '/image/v2', tag: 'Image', routes: imageRoutes, decisions: decisions.image },
        {
          prefix: '/identity/v3',
          tag: 'Identity',
          routes: identityRoutes,
          decisions: decisions.identity,
          login,
        },
      ],
      documents,
    ),
  );
  return { status: 200, json: openApi };
}

const openApiDocument: Document = {
  summary: 'Describe all of this',
  replies: { 200: z.looseObject({ openapi: z.string() }) },
  answer: describeAll,
};

/** As oslo's middleware answers: in JSON who asks for that, in one word anybody else. */
const healthcheck: Document = {
  summary: 'Say that the api answers',
  replies: { 200: z.strictObject({ detailed: z.literal(false), reasons: z.array(z.string()) }) },
  otherwise: 'text/plain',
  answer({ headers }) {
    if (headers.accept?.includes('application/json')) {
      return { status: 200, body: { detailed: false, reasons: ['OK'] } };
    }
    return { status: 200, json: 'OK', headers: { 'Content-Type': 'text/plain; charset=UTF-8' } };
  },
};

/** What answers on one exact path, without a token. */
export const documents: ReadonlyMap<string, Document> = new Map([
  ...versionDocuments,
  ['/openapi.json', openApiDocument],
  // For load balancers; `/readyz` beside the metrics also asks MySQL.
  ['/healthcheck', healthcheck],
]);
