import type { IncomingMessage } from 'node:http';
import { volumeRoutes } from './block-storage/volumes/routes.ts';
import type { ApiRoot } from './http/dispatch.ts';
import { BLOCK_STORAGE_VERSIONS, COMPUTE_VERSIONS } from './http/microversion.ts';
import type { Reply, Route } from './http/route.ts';
import { Router } from './http/router.ts';
import { versionDocuments } from './versions/documents.ts';

/** Cinder's API v3, and what we add to it. */
export const blockStorageRoutes: readonly Route[] = [...volumeRoutes];

/** The part of Nova's API v2.1 that attaches volumes. */
export const computeRoutes: readonly Route[] = [];

export const apiRoots: readonly ApiRoot[] = [
  {
    prefix: '/v3',
    versions: BLOCK_STORAGE_VERSIONS,
    router: new Router(blockStorageRoutes),
    projectOptionalSince: 67,
  },
  {
    prefix: '/compute/v2.1',
    versions: COMPUTE_VERSIONS,
    router: new Router(computeRoutes),
    projectOptionalSince: 1,
    legacyVersionHeader: 'x-openstack-nova-api-version',
  },
];

/** What answers on one exact path, without a token. */
export const documents: ReadonlyMap<string, (request: IncomingMessage) => Reply> = versionDocuments;
