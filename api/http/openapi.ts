import { z } from 'zod';
import type { Decisions } from '#api/policy/decide.ts';
import type { MicroversionRange } from './microversion.ts';
import { BYTES, type Route } from './route.ts';

type Json = Record<string, unknown>;

/** One API as it stands in the document. */
export interface Described {
  /** What its paths begin with: `/v3/{project_id}`. */
  readonly prefix: string;
  readonly tag: string;
  readonly versions?: MicroversionRange;
  readonly routes: readonly Route[];
  /** Which of them are for administrators. */
  readonly decisions: Decisions;
}

const ERROR = {
  type: 'object',
  description: 'One property, named after the kind of error.',
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: {
    type: 'object',
    required: ['code', 'message', 'request_id'],
    properties: {
      code: { type: 'integer' },
      message: { type: 'string' },
      request_id: { type: 'string' },
    },
  },
};

/** The OpenAPI 3.1 document of all routes, from the same schemas that requests are checked with. */
export function describeApis(apis: readonly Described[]): Json {
  const paths: Record<string, Json> = {};
  for (const api of apis) {
    for (const group of groups(api.routes)) {
      const [first] = group;
      if (first === undefined) continue;
      const path = `${api.prefix}${first.path}`;
      paths[path] = { ...paths[path], [first.method.toLowerCase()]: operation(api, group) };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Blockyard',
      version: '0.1.0',
      description:
        'Block storage as in OpenStack Cinder v3, servers on volumes as in Nova v2.1, images as in Glance v2. From microversion 3.67 on, block storage paths may leave out the project.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: apis.map(({ tag }) => ({ name: tag })),
    paths,
    components: {
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } },
      schemas: { Error: ERROR },
      responses: {
        Error: {
          description: 'The request was refused, or failed.',
          headers: { 'x-openstack-request-id': { schema: { type: 'string' } } },
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
        },
      },
    },
  };
}

/** Routes that share method and path: those of one `action`. */
function groups(routes: readonly Route[]): Route[][] {
  return [...Map.groupBy(routes, (route) => `${route.method} ${route.path}`).values()];
}

function operation(api: Described, group: readonly Route[]): Json {
  const [first] = group;
  if (first === undefined) return {};
  const bodies = group.flatMap(({ body }) => (body === undefined ? [] : [jsonSchema(body, 'input')]));
  return {
    operationId: operationId(api, first),
    tags: [api.tag],
    summary: group.map((route) => summaryOf(api, route)).join('; '),
    parameters: parameters(api, first),
    ...(bodies.length > 0 && {
      requestBody: {
        required: true,
        content: contentOf(first, bodies.length === 1 ? bodies[0] : { oneOf: bodies }),
      },
    }),
    responses: responses(group),
  };
}

function contentOf({ consumes = ['application/json'] }: Route, schema: Json | undefined): Json {
  return Object.fromEntries(consumes.map((type) => [type, type === BYTES ? {} : { schema }]));
}

function operationId(api: Described, route: Route): string {
  const words = `${api.versions?.service ?? api.tag} ${route.method} ${route.path}`.toLowerCase();
  return words.replaceAll(/[^a-z0-9]+/g, '_').replace(/_$/, '');
}

function summaryOf({ decisions }: Described, route: Route): string {
  const notes = [
    ...(decisions.of(route).who === 'admin' ? ['administrators'] : []),
    ...(route.since === undefined ? [] : [`from microversion ${route.since}`]),
  ];
  return notes.length === 0 ? route.summary : `${route.summary} (${notes.join(', ')})`;
}

function parameters(api: Described, route: Route): Json[] {
  const names = [...`${api.prefix}${route.path}`.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? '');
  const inPath = names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const query = (jsonSchema(route.query, 'input')['properties'] ?? {}) as Record<string, Json>;
  const known = [...Object.keys(query), ...(route.queryNames ?? [])];
  const inQuery = known.map((name) => ({ name, in: 'query', schema: query[name] ?? { type: 'string' } }));
  const ofAdmins = (route.adminQueryNames ?? []).map((name) => ({
    name,
    in: 'query',
    description: 'For administrators.',
    schema: { type: 'string' },
  }));
  const inHeader = api.versions === undefined ? [] : [versionHeader(api.versions)];
  return [...inPath, ...inQuery, ...ofAdmins, ...inHeader];
}

function versionHeader({ service, major, min, max }: MicroversionRange): Json {
  return {
    name: 'OpenStack-API-Version',
    in: 'header',
    description: `From \`${service} ${major}.${min}\` to \`${service} ${major}.${max}\`, or \`${service} latest\`.`,
    schema: { type: 'string' },
  };
}

function responses(group: readonly Route[]): Json {
  const answers: Json = { default: { $ref: '#/components/responses/Error' } };
  for (const { produces = 'application/json', replies } of group) {
    for (const [status, schema] of Object.entries(replies)) {
      answers[status] = {
        description: Number(status) < 400 ? 'Success' : 'Refused',
        ...(schema !== null && {
          content: { [produces]: { schema: jsonSchema(schema, 'output') } },
        }),
      };
    }
  }
  return answers;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ jsonSchema: object }) => openNamed(object),
  });
  return rest;
}

/**
 * "These properties, and any others as long as they are numbers" is nothing that typed languages can say: their generated
 * clients would not compile. The document says "any others" there.
 */
function openNamed(object: { properties?: object; additionalProperties?: unknown }): void {
  if (object.properties === undefined || typeof object.additionalProperties !== 'object') return;
  object.additionalProperties = {};
}
