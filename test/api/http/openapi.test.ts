import assert from 'node:assert/strict';
import { BYTES, type Route } from '#api/http/route.ts';
import { identityRoutes } from '#api/identity/routes.ts';
import { imageRoutes } from '#api/image/routes.ts';
import { blockStorageRoutes, computeRoutes, documents } from '#api/routes.ts';
import { startApi } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

type Json = Record<string, unknown>;
type Content = Readonly<Record<string, { readonly schema?: Json }>>;
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

const TABLES: readonly (readonly [string, readonly Route[]])[] = [
  ['/v3/{project_id}', blockStorageRoutes],
  ['/compute/v2.1', computeRoutes],
  ['/image/v2', imageRoutes],
  ['/identity/v3', identityRoutes],
];

describe('/openapi.json', () => {
  let document: Json;
  before(async () => {
    await using api = await startApi();
    document = (await (await heldFetch(`${api.url}/openapi.json`)).json()) as Json;
  });

  const operations = () =>
    Object.entries(document['paths'] as Record<string, Record<string, Json>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  const described = (prefix: string, { method, path }: Route): Operation => {
    const operation = operations().find(
      (each) => each.path === `${prefix}${path}` && each.method === method.toLowerCase(),
    )?.operation;
    assert.ok(operation !== undefined, `${method} ${prefix}${path}`);
    return operation as unknown as Operation;
  };
  /** Bytes are of no schema, and of nothing else is it left out. */
  const assertContent = (content: Content | undefined, what: string): void => {
    assert.ok(content !== undefined && Object.keys(content).length > 0, what);
    for (const [type, { schema = {} }] of Object.entries(content))
      assert.equal(Object.keys(schema).length > 0, type !== BYTES, `${what} ${type}`);
  };

  it('describes every route of each table: what it is asked with, and each of its answers', () => {
    for (const [prefix, routes] of TABLES) {
      for (const route of routes) {
        const what = `${route.method} ${prefix}${route.path} ${route.action ?? ''}`;
        const operation = described(prefix, route);
        if (route.body !== undefined) assertContent(operation.requestBody?.content, what);
        for (const [status, schema] of Object.entries(route.replies)) {
          const answer = operation.responses[status];
          assert.ok(answer !== undefined, `${what}: ${status}`);
          if (schema !== null) assertContent(answer.content, `${what}: ${status}`);
        }
        assert.ok('default' in operation.responses, what);
        const names = new Set(operation.parameters?.map((item) => `${item.in} ${item.name}`));
        for (const name of [...(route.queryNames ?? []), ...(route.adminQueryNames ?? [])])
          assert.ok(names.has(`query ${name}`), `${what}: ?${name}`);
        for (const name of route.headers ?? []) assert.ok(names.has(`header ${name}`), `${what}: ${name}`);
      }
    }
  });

  it('describes nothing else', () => {
    const routes = TABLES.flatMap(([prefix, table]) =>
      table.flatMap(({ method, path, head }) => [
        `${method} ${prefix}${path}`,
        ...(head === undefined ? [] : [`HEAD ${prefix}${path}`]),
      ]),
    );
    const known = [
      ...routes,
      'POST /identity/v3/auth/tokens',
      ...[...documents.keys()].map((at) => `GET ${at}`),
    ];
    const found = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    assert.deepEqual(found.toSorted(), [...new Set(known)].toSorted());
  });

  it('is OpenAPI 3.1: unique operation ids, every path parameter declared, every reference resolved', () => {
    assert.equal(document['openapi'], '3.1.0');
    const ids = operations().map(({ operation }) => operation['operationId']);
    assert.equal(new Set(ids).size, ids.length);
    for (const { path, operation } of operations()) {
      const parameters = (operation['parameters'] ?? []) as {
        name: string;
        in: string;
        required?: boolean;
      }[];
      const declared = parameters
        .filter((item) => item.in === 'path' && item.required)
        .map((item) => item.name);
      const named = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
      assert.deepEqual(declared, named);
      const keys = parameters.map((item) => `${item.in} ${item.name}`);
      assert.equal(new Set(keys).size, keys.length, path);
    }
    for (const reference of references(document)) assert.ok(resolves(reference), reference);
  });

  it('describes what answers without a token, as it answers', async () => {
    await using api = await startApi();
    for (const [path, { replies }] of documents) {
      const response = await heldFetch(`${api.url}${path}`, { headers: { Accept: 'application/json' } });
      const described = operations().find((each) => each.path === path)?.operation;
      assert.deepEqual(described?.['security'], [], path);
      assert.ok(Object.hasOwn(described['responses'] as Json, response.status), path);
      replies[response.status]?.parse(await response.json());
    }
    const login = operations().find(({ path, method }) => method === 'post' && path.endsWith('/auth/tokens'));
    assert.deepEqual(login?.operation['security'], []);
  });

  it('says of each action which key it is known by', () => {
    for (const { path, operation } of operations()) {
      if (!path.endsWith('/action')) continue;
      const { requestBody } = operation as { requestBody: { content: Record<string, { schema: Json }> } };
      const { oneOf, ...only } = requestBody.content['application/json']!.schema;
      for (const schema of (oneOf ?? [only]) as { required?: string[] }[])
        assert.equal(schema.required?.length, 1, `${path} ${JSON.stringify(schema)}`);
    }
  });

  function resolves(reference: string): boolean {
    let value: unknown = document;
    for (const part of reference.replace(/^#\//, '').split('/')) value = (value as Json | undefined)?.[part];
    return value !== undefined;
  }
});

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = '$ref' in value && typeof value.$ref === 'string' ? [value.$ref] : [];
  return [...own, ...Object.values(value).flatMap(references)];
}
