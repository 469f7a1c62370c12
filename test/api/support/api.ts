import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { createApp } from '#api/app.ts';
import { createTokenAuthenticator } from '#api/auth/tokens.ts';
import type { App } from '#api/http/context.ts';
import type { Method, Route } from '#api/http/route.ts';
import { createImages, type ImageOptions } from '#api/image/service.ts';
import { apiRoots } from '#api/routes.ts';
import { type ApiOptions, createApi } from '#api/server.ts';
import { openDatabase } from '#queues/database.ts';
import { createDirectTasks } from '#queues/drift/direct-tasks.ts';
import { migrate } from '#queues/migrate.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { createQuestions } from '#queues/questions.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { Tables } from '#schema/tables.ts';
import { createDatabase } from '#test/support/database.ts';
import { createRedis } from '#test/support/redis.ts';

/** The two projects of every test, and who has which token. */
export const PROJECT = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
export const OTHER_PROJECT = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';
export const TOKENS = {
  admin: 'token-of-admin',
  member: 'token-of-member',
  reader: 'token-of-reader',
  stranger: 'token-of-stranger',
} as const;
export type Who = keyof typeof TOKENS;

/** What agents and the tests' api share. */
export const SECRET_KEY = randomBytes(32).toString('hex');
export const MAX_IMAGE_BYTES = 64 * 1024 ** 2;

const TOKENS_FILE = JSON.stringify([
  { token: TOKENS.admin, project_id: PROJECT, user_id: 'ada', roles: ['admin'] },
  { token: TOKENS.member, project_id: PROJECT, user_id: 'max', roles: ['member'] },
  { token: TOKENS.reader, project_id: PROJECT, user_id: 'rita', roles: ['reader'] },
  { token: TOKENS.stranger, project_id: OTHER_PROJECT, user_id: 'eve', roles: ['member'] },
]);

export interface CallOptions {
  readonly as?: Who;
  readonly body?: unknown;
  /** The minor of the microversion. Default 71. */
  readonly version?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Replies are of every shape; each has been parsed by its route's schema.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly app: App;
  readonly db: Kysely<Tables>;
  readonly databaseUrl: string;
  readonly redis: { readonly url: string; readonly prefix: string };
  /** What the server logged: failures that are its own. */
  readonly log: string[];
  /** Calls a path below `/v3/<project>`, and checks the reply against its route's schema. */
  call(method: Method, path: string, options?: CallOptions): Promise<Answer>;
  /** The same below `/compute/v2.1`. */
  compute(method: Method, path: string, options?: CallOptions): Promise<Answer>;
  /** The same below `/image/v2`. */
  image(method: Method, path: string, options?: CallOptions): Promise<Answer>;
}

/** A real API over HTTP, with its own database and queue prefix and four tokens. No conductor runs. */
export async function startApi(
  options: Partial<Pick<ImageOptions, 'glance' | 'projectBytes'>> &
    Pick<ApiOptions, 'requestTimeoutMs' | 'limits'> &
    Partial<Pick<App, 'quotaDefaults'>> = {},
): Promise<TestApi> {
  const database = await createDatabase();
  const redis = await createRedis();
  const db = openDatabase(database.url, { connections: 4 });
  await migrate(db);
  const clock = { now: () => Date.now() };
  const ids = { uuid: () => randomUUID() };
  const operations = createOperationGateway({ db, redisUrl: redis.url, prefix: redis.prefix, clock, ids });
  const questions = createQuestions({ redisUrl: redis.url, prefix: redis.prefix, ids });
  const secrets = createSecrets(SECRET_KEY);
  const imageDir = await mkdtemp(join(tmpdir(), 'blockyard-images-'));
  const images = createImages({
    name: 'test',
    dir: imageDir,
    maxBytes: MAX_IMAGE_BYTES,
    projectBytes: options.projectBytes,
    glance: options.glance,
    secretKey: SECRET_KEY,
    clock,
  });
  const app = createApp({
    db,
    operations,
    questions,
    directTasks: createDirectTasks({ redisUrl: redis.url, prefix: redis.prefix, clock, ids }),
    secrets,
    clock,
    ids,
    defaultAvailabilityZone: 'nova',
    images,
    ...(options.quotaDefaults !== undefined && { quotaDefaults: options.quotaDefaults }),
  });
  const log: string[] = [];
  const authenticator = createTokenAuthenticator(TOKENS_FILE);
  const server = createApi(app, { ...options, authenticator, log: (line) => log.push(line) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const send = async (
    prefix: string,
    service: string,
    method: Method,
    path: string,
    options: CallOptions,
  ): Promise<Answer> => {
    const body = options.body === undefined ? null : JSON.stringify(options.body);
    const response = await fetch(`${url}${prefix}${path}`, {
      method,
      body,
      headers: {
        'X-Auth-Token': TOKENS[options.as ?? 'member'],
        'OpenStack-API-Version': service,
        ...(body !== null && { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
    });
    const answer = {
      status: response.status,
      headers: response.headers,
      body: parseText(await response.text(), response.headers.get('content-type')),
    };
    assert.deepEqual(log, []);
    checkAnswer(method, `${prefix}${path}`, answer, options.body);
    return answer;
  };

  return {
    url,
    app,
    db,
    databaseUrl: database.url,
    redis,
    log,
    call: (method, path, options = {}) => {
      const project = options.as === 'stranger' ? OTHER_PROJECT : PROJECT;
      return send(`/v3/${project}`, `volume 3.${options.version ?? 71}`, method, path, options);
    },
    compute: (method, path, options = {}) =>
      send('/compute/v2.1', `compute 2.${options.version ?? 89}`, method, path, options),
    image: (method, path, options = {}) => send('/image/v2', 'image', method, path, options),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      questions.close();
      await operations.close();
      await db.destroy();
      await database.drop();
      await rm(imageDir, { recursive: true });
    },
  };
}

function parseText(text: string, type: string | null): unknown {
  if (text === '') return undefined;
  return type?.startsWith('text/') ? text : JSON.parse(text);
}

/** Every reply has a request id and the shape that its route documents, or that of an error. */
export function checkAnswer(method: string, path: string, answer: Answer, body?: unknown): void {
  assert.match(answer.headers.get('x-openstack-request-id') ?? '', /^req-[0-9a-f-]{36}$/);
  const schema = findRoute(method, path, body)?.replies[answer.status];
  if (schema === null) assert.equal(answer.body, undefined, `${method} ${path} answered a body`);
  else if (schema !== undefined) schema.parse(answer.body);
  else checkError(answer);
}

function checkError(answer: Answer): void {
  const { status } = answer;
  assert.ok(
    (status >= 400 && status < 500) || status === 503,
    `${answer.status}: ${JSON.stringify(answer.body)}`,
  );
  const [[name, fault] = ['', undefined], ...rest] = Object.entries(answer.body as Record<string, unknown>);
  assert.equal(rest.length, 0);
  assert.match(name, /^[a-zA-Z]+$/);
  const { code, message, request_id } = fault as { code: unknown; message: unknown; request_id: unknown };
  assert.equal(code, answer.status);
  assert.ok(typeof message === 'string' && message !== '');
  assert.equal(request_id, answer.headers.get('x-openstack-request-id'));
}

/** The line of the table that answers; among actions the body says which. */
export function findRoute(method: string, path: string, body: unknown): Route | undefined {
  const root = apiRoots.find(({ prefix }) => path.startsWith(`${prefix}/`));
  if (root === undefined) return undefined;
  const [plain = ''] = path.split('?');
  const { suffix = '' } = root;
  const end = suffix !== '' && plain.endsWith(suffix) ? -suffix.length : undefined;
  const segments = plain.slice(root.prefix.length + 1, end).split('/');
  const start = root.router.hasRoot(segments[0] ?? '') ? 0 : 1;
  const endpoint = root.router.match(method as Method, segments, start)?.endpoint;
  if (endpoint?.actions === undefined) return endpoint?.route;
  const keys = typeof body === 'object' && body !== null ? Object.keys(body) : [];
  return endpoint.actions.get(keys[0] ?? '');
}
