/** What `/openapi.json` says of queries is what the handlers read: each is called, and watched as it reads. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { Route } from '#api/http/route.ts';
import { PROJECT, startApi, type TestApi } from '#test/api/support/api.ts';
import { IdentityApi } from '#test/api/support/identity.ts';
import { attempt, pathOf } from '../security/support/attack.ts';
import { bodyOf } from '../security/support/bodies.ts';
import { type Kit, makeKit } from '../security/support/kit.ts';
import { ALL_TARGETS } from '../security/support/surface.ts';

/** Looked for with the rest of a page, and of no use there. */
const UNUSED: Readonly<Record<string, readonly string[]>> = {
  'compute GET /servers/{server_id}/os-volume_attachments': ['marker'],
};

/** An empty query, which tells what it is asked for. */
function watched(read: (name: string) => void): Record<string, string> {
  const tell = (name: string | symbol): undefined => {
    if (typeof name === 'string') read(name);
  };
  return new Proxy(
    {},
    {
      get: (_, name) => tell(name),
      has: (_, name) => (tell(name), false),
      getOwnPropertyDescriptor: (_, name) => tell(name),
    },
  );
}

describe('the names in a route’s query', function () {
  this.timeout(240_000);
  const read = new Map<Route, Set<string>>();
  const originals = new Map<Route, Route>();
  let api: TestApi;
  let identity: IdentityApi;
  let kit: Kit;
  before(async () => {
    api = await startApi();
    kit = await makeKit(api, 'member');
    identity = await IdentityApi.start(api);
    for (const { route } of ALL_TARGETS) {
      const original = { ...route };
      const names = new Set<string>();
      originals.set(route, original);
      read.set(route, names);
      Object.assign(route, {
        handle: (context, input) =>
          original.handle(context, { ...input, query: watched((name) => names.add(name)) }),
      } satisfies Pick<Route, 'handle'>);
    }
  });
  after(async () => {
    for (const [route, original] of originals) Object.assign(route, original);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  function undeclared(service: 'identity' | 'others'): string[] {
    return ALL_TARGETS.filter((target) => (target.service === 'identity') === (service === 'identity'))
      .map(({ key, route }) => {
        const inSchema = route.query instanceof z.ZodObject ? Object.keys(route.query.shape) : [];
        const named = [...(route.queryNames ?? []), ...(route.adminQueryNames ?? [])];
        const declared = [...inSchema, ...named, ...(UNUSED[key] ?? [])];
        return { key, missing: [...(read.get(route) ?? [])].filter((name) => !declared.includes(name)) };
      })
      .filter(({ missing }) => missing.length > 0)
      .map(({ key, missing }) => `${key}: ${missing.join()}`);
  }

  it('are all declared', async () => {
    // What is there is looked at before anything is done to it.
    const targets = ALL_TARGETS.filter(({ service }) => service !== 'identity').toSorted(
      (a, b) => Number(a.route.method !== 'GET') - Number(b.route.method !== 'GET'),
    );
    for (const target of targets) {
      const body = bodyOf(target, kit);
      await attempt(api, target, { as: 'admin', project: PROJECT, path: pathOf(target, kit), body });
    }
    assert.ok([...read.values()].filter((names) => names.size > 0).length > 20);
    assert.deepEqual(undeclared('others'), []);
  });

  it('are all declared where users are kept', async () => {
    const { projectId, userId } = await IdentityApi.bootstrap(api);
    const token = await identity.adminToken(projectId);
    const ids: Readonly<Record<string, string>> = {
      users: userId,
      projects: projectId,
      domains: 'default',
      groups: await identity.make('group', { name: 'some' }, token),
    };
    for (const { service, route, parts } of ALL_TARGETS) {
      if (service !== 'identity' || route.method !== 'GET') continue;
      const path = parts.map((part, i) =>
        part.startsWith('{') ? (ids[parts[i - 1] ?? ''] ?? 'none') : part,
      );
      await identity.identity('GET', `/${path.join('/')}`, token);
    }
    assert.deepEqual(identity.log, []);
    assert.ok(read.get(ALL_TARGETS.find(({ key }) => key === 'identity GET /users')!.route)?.has('name'));
    assert.deepEqual(undeclared('identity'), []);
  });
});
