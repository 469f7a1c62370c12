import assert from 'node:assert/strict';
import { blockStorageRoutes, computeRoutes, documents } from '#api/routes.ts';
import { startApi } from '../support/api.ts';

type Json = Record<string, unknown>;

describe('/openapi.json', () => {
  let document: Json;
  before(async () => {
    await using api = await startApi();
    document = (await (await fetch(`${api.url}/openapi.json`)).json()) as Json;
  });

  const operations = () =>
    Object.entries(document['paths'] as Record<string, Record<string, Json>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  it('describes every route of the table', () => {
    const described = new Set(operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`));
    for (const { method, path } of blockStorageRoutes)
      assert.ok(described.has(`${method} /v3/{project_id}${path}`), path);
    for (const { method, path } of computeRoutes)
      assert.ok(described.has(`${method} /compute/v2.1${path}`), path);
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
      const response = await fetch(`${api.url}${path}`, { headers: { Accept: 'application/json' } });
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
