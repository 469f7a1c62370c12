import { z } from 'zod';
import type { Decisions } from '#api/policy/decide.ts';
import type { Login } from './dispatch.ts';
import type { Document } from './document.ts';
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
  readonly login?: Login;
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

const HEADERS = {
  RequestId: { description: 'Names the request in our log.', schema: { type: 'string' } },
  Version: { description: 'The microversion that was answered in.', schema: { type: 'string' } },
  Token: { description: 'The token that was made.', schema: { type: 'string' } },
};
const header = (name: keyof typeof HEADERS): Json => ({ $ref: `#/components/headers/${name}` });
const NAMED_REQUEST = { 'x-openstack-request-id': header('RequestId') };

/**
 * The OpenAPI 3.1 document of all routes, from the same schemas that requests are checked with.
 * @param documents path → what answers there without a token.
 */
export function describeApis(apis: readonly Described[], documents: ReadonlyMap<string, Document>): Json {
  const paths: Record<string, Json> = {};
  for (const api of apis) {
    for (const group of groups(api.routes)) {
      const [first] = group;
      if (first === undefined) continue;
      const path = `${api.prefix}${first.path}`;
      paths[path] = { ...paths[path], [first.method.toLowerCase()]: operation(api, group) };
      if (first.head !== undefined) paths[path]['head'] = headOf(api, first, first.head);
    }
    if (api.login !== undefined) {
      const path = `${api.prefix}${api.login.path}`;
      paths[path] = { ...paths[path], post: loginOf(api, api.login) };
    }
  }
  for (const [path, document] of documents) paths[path] = { get: documentOf(path, document) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Blockyard',
      version: '0.1.0',
      description:
        'Block storage as in OpenStack Cinder v3, servers on volumes as in Nova v2.1, images as in Glance v2, users as in Keystone v3. Block storage paths may leave out the project, and those of images the version. HEAD is answered wherever GET is.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [...apis.map(({ tag }) => tag), DISCOVERY].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } },
      schemas: { Error: ERROR },
      headers: HEADERS,
      responses: {
        Error: {
          description: 'The request was refused, or failed.',
          headers: NAMED_REQUEST,
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
  const bodies = group.flatMap(bodyOf);
  return {
    operationId: operationId(api.versions?.service ?? api.tag, first.method, first.path),
    tags: [api.tag],
    summary: group.map((route) => summaryOf(api, route)).join('; '),
    parameters: parameters(api, first),
    ...(bodies.length > 0 && {
      requestBody: {
        required: true,
        content: contentOf(first, bodies.length === 1 ? bodies[0] : { oneOf: bodies }),
      },
    }),
    responses: responses(group, api.versions && { 'OpenStack-API-Version': header('Version') }),
  };
}

/** Zod takes whatever may be of any kind for optional; the key that says which action it is never is. */
function bodyOf({ body, action }: Route): Json[] {
  if (body === undefined) return [];
  const schema = jsonSchema(body, 'input');
  return [action === undefined ? schema : { ...schema, required: [action] }];
}

function headOf(api: Described, route: Route, status: number): Json {
  return {
    operationId: operationId(api.tag, 'HEAD', route.path),
    tags: [api.tag],
    summary: summaryOf(api, route),
    parameters: parameters(api, route),
    responses: responses([{ replies: { [status]: null } }]),
  };
}

function loginOf(api: Described, { path, asks, answers }: Login): Json {
  return {
    operationId: operationId(api.tag, 'POST', path),
    tags: [api.tag],
    summary: 'Make a token',
    security: [],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: jsonSchema(asks, 'input') } },
    },
    responses: responses([{ replies: { 201: answers } }], { 'X-Subject-Token': header('Token') }),
  };
}

const DISCOVERY = 'Discovery';

function documentOf(path: string, { summary, replies, otherwise }: Document): Json {
  const answers = responses([{ replies }]);
  if (otherwise !== undefined) {
    for (const { content } of Object.values(answers) as { content?: Json }[]) {
      if (content !== undefined) content[otherwise] = { schema: { type: 'string' } };
    }
  }
  return {
    // A path with a slash at its end is another one.
    operationId: operationId(DISCOVERY, 'GET', path.replace(/\/$/, '/slash')),
    tags: [DISCOVERY],
    summary,
    security: [],
    responses: answers,
  };
}

function contentOf({ consumes = ['application/json'] }: Route, schema: Json | undefined): Json {
  return Object.fromEntries(consumes.map((type) => [type, type === BYTES ? {} : { schema }]));
}

function operationId(api: string, method: string, path: string): string {
  const words = `${api} ${method} ${path}`.toLowerCase();
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
  const inHeader = [
    ...(route.headers ?? []).map((name) => ({ name, in: 'header', schema: { type: 'string' } })),
    ...(api.versions === undefined ? [] : [versionHeader(api.versions)]),
  ];
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

function responses(group: readonly Pick<Route, 'produces' | 'replies'>[], headers: Json = {}): Json {
  const answers: Json = { default: { $ref: '#/components/responses/Error' } };
  const said = group.flatMap(({ produces = 'application/json', replies }) =>
    Object.entries(replies).map(([status, schema]) => ({ status, produces, schema })),
  );
  for (const [status, each] of Map.groupBy(said, (reply) => reply.status)) {
    const schemas = each.flatMap(({ schema }) => (schema === null ? [] : [jsonSchema(schema, 'output')]));
    const [only] = schemas;
    const { produces } = each.find(({ schema }) => schema !== null) ?? {};
    const success = Number(status) < 400 ? 'Success' : 'Refused';
    answers[status] = {
      description: schemas.length === each.length || only === undefined ? success : `${success}; ${OR_EMPTY}`,
      headers: { ...NAMED_REQUEST, ...headers },
      ...(produces !== undefined && {
        content: {
          [produces]: produces === BYTES ? {} : { schema: schemas.length === 1 ? only : { anyOf: schemas } },
        },
      }),
    };
  }
  return answers;
}

/** OpenAPI has no word for a body that only some of the actions of one path answer. */
const OR_EMPTY = 'an action that answers nothing has no body';

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
