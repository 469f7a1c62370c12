/** Every route, asked for by everybody, against the table of rules. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { anonymous, operationOf } from '#api/policy/decide.ts';
import { POLICIES } from '#api/policy/policies.ts';
import type { Who } from '#api/policy/rule.ts';
import { decisions } from '#api/routes.ts';
import {
  ALL_TARGETS,
  rootOf,
  type Service,
  type Target,
  VERSIONS,
} from '#test/api/security/support/surface.ts';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { IdentityApi } from '#test/api/support/identity.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { type Cast, gather, PERSONAS, type Persona } from './personas.ts';

/** Once more by hand, so that the code that decides is not what says what is right. */
const LET_IN: Readonly<Record<Who, readonly Persona[]>> = {
  anyone: PERSONAS,
  reader: ['admin', 'member', 'reader', 'another project’s member', 'system admin'],
  member: ['admin', 'member', 'another project’s member'],
  admin: ['admin', 'system admin'],
};

/** Lets a request that waits for an agent go: it has been let in. */
const PATIENCE_MS = 1_000;

describe('policy', () => {
  let api: TestApi;
  let identity: IdentityApi;
  let cast: Cast;
  before(async function () {
    this.timeout(30_000);
    api = await startApi();
    const { projectId } = await IdentityApi.bootstrap(api);
    identity = await IdentityApi.start(api);
    cast = await gather(identity, projectId);
  });
  after(async () => {
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  /** @returns 0 where there is no answer yet. Nothing that is asked for is there, so nothing comes of it. */
  const ask = async (target: Target, as: Persona): Promise<{ status: number; text: string }> => {
    const { route, service, parts } = target;
    const project = cast.projects[as];
    const root = service === 'volume' && project === undefined ? '/v3' : rootOf(service, project ?? '');
    const fill = (part: string): string => {
      if (part === '{project}') return project ?? randomUUID();
      return part.startsWith('{') ? randomUUID() : part;
    };
    const path = parts.map(fill).join('/');
    const body = route.action === undefined ? { nothing: true } : { [route.action]: { nothing: true } };
    try {
      const response = await heldFetch(`${identity.url}${root}/${path}`, {
        method: route.method,
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          'X-Auth-Token': cast.tokens[as],
          'OpenStack-API-Version': VERSIONS[service],
          ...(route.body !== undefined && { 'Content-Type': route.consumes?.[0] ?? 'application/json' }),
        },
        body: route.body === undefined ? null : JSON.stringify(body),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError') return { status: 0, text: '' };
      throw error;
    }
  };

  for (const target of ALL_TARGETS) {
    it(target.key, async function () {
      this.timeout(20_000);
      const { rule, who } = decisions[target.service].of(target.route);
      const refusal = JSON.stringify(POLICIES[target.service].words(rule)).slice(1, -1);
      const answers = await Promise.all(PERSONAS.map((as) => ask(target, as)));
      for (const [i, as] of PERSONAS.entries()) {
        const { status, text } = answers[i]!;
        const refused = status === 403 && text.includes(refusal);
        // Whose thing it is may be asked after all, with `anyone`.
        const byHandler = who === 'anyone' && status === 403;
        assert.equal(!refused || byHandler, LET_IN[who].includes(as), `${as}: ${status} ${text}`);
        assert.ok(status !== 401 && (status < 500 || status === 503), `${as}: ${status} ${text}`);
      }
    });
  }

  it('lets nobody in without a token, or with a wrong one', async () => {
    const { member } = cast.tokens;
    const forged = `${member.slice(0, -4)}AAAA`;
    for (const { service, route, parts } of ALL_TARGETS) {
      const path = parts.map((part) => (part.startsWith('{') ? randomUUID() : part)).join('/');
      for (const token of [undefined, '', forged, cast.tokens.admin.replace(/^./, 'A')]) {
        const { status } = await identity.call(
          route.method,
          `${rootOf(service, 'any')}/${path}`,
          token,
          route.body === undefined ? undefined : {},
        );
        assert.equal(status, 401, `${route.method} ${path}`);
      }
    }
  }).timeout(30_000);

  it('lets the system’s administrator work in a project that the path names', async () => {
    for (const [path, status] of [
      ['/v3/volumes', 403],
      [`/v3/${cast.projects.member}/volumes`, 400],
    ] as const) {
      const answer = await identity.call(
        'POST',
        path,
        cast.tokens['system admin'],
        {},
        {
          'OpenStack-API-Version': VERSIONS.volume,
        },
      );
      assert.equal(answer.status, status, path);
    }
  });

  it('names every route once, and nothing else', () => {
    const routes = new Set(ALL_TARGETS.map(({ service, route }) => `${service} ${operationOf(route)}`));
    const named = (Object.keys(POLICIES) as Service[]).flatMap((service) =>
      Object.values(POLICIES[service].policy).flatMap(([, ...operations]) =>
        operations.map((operation) => `${service} ${anonymous(operation)}`),
      ),
    );
    assert.deepEqual([...named].toSorted(), [...routes].toSorted());
  });
});
