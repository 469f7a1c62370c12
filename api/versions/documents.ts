import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Document } from '#api/http/document.ts';
import {
  BLOCK_STORAGE_VERSIONS,
  COMPUTE_VERSIONS,
  type MicroversionRange,
  negotiate,
} from '#api/http/microversion.ts';
import { schemeOf } from '../http/scheme.ts';

interface VersionedApi {
  /** `/v3/`, or `/compute/v2.1/`. */
  readonly path: string;
  readonly id: string;
  readonly range: MicroversionRange;
  readonly updated: string;
  readonly mediaType: string;
}

const BLOCK_STORAGE: VersionedApi = {
  path: '/v3/',
  id: 'v3.0',
  range: BLOCK_STORAGE_VERSIONS,
  updated: '2023-08-31T00:00:00Z',
  mediaType: 'application/vnd.openstack.volume+json;version=3',
};

const COMPUTE: VersionedApi = {
  path: '/compute/v2.1/',
  id: 'v2.1',
  range: COMPUTE_VERSIONS,
  updated: '2013-07-23T11:33:21Z',
  mediaType: 'application/vnd.openstack.compute+json;version=2.1',
};

const text = z.string();
const links = z.array(z.strictObject({ rel: text, type: text.optional(), href: text }));
const mediaTypes = z.array(z.strictObject({ base: text, type: text }));
const described = z.strictObject({
  id: text,
  status: text,
  version: text,
  min_version: text,
  updated: text,
  links,
  'media-types': mediaTypes,
});

function describe(api: VersionedApi, request: IncomingMessage) {
  const { range } = api;
  return {
    id: api.id,
    status: 'CURRENT',
    version: `${range.major}.${range.max}`,
    min_version: `${range.major}.${range.min}`,
    updated: api.updated,
    links: [
      { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' },
      { rel: 'self', href: `${schemeOf(request)}://${request.headers.host ?? 'localhost'}${api.path}` },
    ],
    'media-types': [{ base: 'application/json', type: api.mediaType }],
  };
}

const all = (api: VersionedApi, status: number): Document => ({
  summary: `Show the versions of the ${api.range.service} API`,
  replies: { [status]: z.strictObject({ versions: z.array(described) }) },
  answer: (request) => ({
    status,
    body: { versions: [describe(api, request)] },
    headers: api.range.strict ? versionHeaders(api.range, request) : {},
  }),
});

/** Cinder negotiates here too. @throws ApiError 400 or 406 */
function versionHeaders(range: MicroversionRange, { headers }: IncomingMessage): Record<string, string> {
  const header = headers['openstack-api-version'];
  const minor = negotiate(range, typeof header === 'string' ? header : undefined);
  return {
    'OpenStack-API-Version': `${range.service} ${range.major}.${minor}`,
    Vary: 'OpenStack-API-Version',
  };
}

const one = (api: VersionedApi): Document => ({
  summary: `Show the version of the ${api.range.service} API`,
  replies: { 200: z.strictObject({ version: described }) },
  answer: (request) => ({ status: 200, body: { version: describe(api, request) } }),
});

/** Glance's newest minor whose fields and actions are all here. */
const IMAGE_MINOR = 7;

const imageDocument = (status: number): Document => ({
  summary: 'Show the versions of the image API',
  replies: {
    [status]: z.strictObject({ versions: z.array(z.strictObject({ id: text, status: text, links })) }),
  },
  answer: (request) => ({ status, body: imageVersions(request) }),
});

/** Glance lists every minor it has grown through, each with the same address. */
function imageVersions(request: IncomingMessage) {
  const href = `${schemeOf(request)}://${request.headers.host ?? 'localhost'}/image/v2/`;
  const minors = Array.from({ length: IMAGE_MINOR + 1 }, (_, i) => IMAGE_MINOR - i);
  return {
    versions: minors.map((minor) => ({
      id: `v2.${minor}`,
      status: minor === IMAGE_MINOR ? 'CURRENT' : 'SUPPORTED',
      links: [{ rel: 'self', href }],
    })),
  };
}

function identityVersion(request: IncomingMessage) {
  return {
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [
      { rel: 'self', href: `${schemeOf(request)}://${request.headers.host ?? 'localhost'}/identity/v3/` },
    ],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
  };
}

const identityDescribed = described.omit({ version: true, min_version: true });
const identityVersions: Document = {
  summary: 'Show the versions of the identity API',
  replies: {
    300: z.strictObject({ versions: z.strictObject({ values: z.array(identityDescribed) }) }),
  },
  answer: (request) => ({ status: 300, body: { versions: { values: [identityVersion(request)] } } }),
};
const identityV3: Document = {
  summary: 'Show the version of the identity API',
  replies: { 200: z.strictObject({ version: identityDescribed }) },
  answer: (request) => ({ status: 200, body: { version: identityVersion(request) } }),
};

/** Version discovery, which needs no token: path → document. */
export const versionDocuments: ReadonlyMap<string, Document> = new Map([
  ['/', all(BLOCK_STORAGE, 300)],
  ['/v3', all(BLOCK_STORAGE, 200)],
  ['/v3/', all(BLOCK_STORAGE, 200)],
  ['/compute', all(COMPUTE, 200)],
  ['/compute/', all(COMPUTE, 200)],
  ['/compute/v2.1', one(COMPUTE)],
  ['/compute/v2.1/', one(COMPUTE)],
  ['/identity', identityVersions],
  ['/identity/', identityVersions],
  ['/identity/v3', identityV3],
  ['/identity/v3/', identityV3],
  ...['/image', '/image/', '/image/v2', '/image/v2/'].map((path) => [path, imageDocument(300)] as const),
  ['/image/versions', imageDocument(200)],
]);
