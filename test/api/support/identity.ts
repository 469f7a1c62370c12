import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBuiltinAuthenticator } from '#api/auth/builtin.ts';
import { tokenReply } from '#api/identity/auth/schema.ts';
import { bootstrapIdentity } from '#api/identity/bootstrap.ts';
import { createBuiltinIdentity, type IdentitySettings } from '#api/identity/builtin/service.ts';
import { createApi } from '#api/server.ts';
import type { Clock } from '#schema/clock.ts';
import { checkAnswer, SECRET_KEY, type TestApi } from './api.ts';

export const ADMIN = { user: 'root', password: 'a long password', project: 'operators' } as const;
const DEFAULT = { id: 'default' };
/** No route of the table. */
const LOGIN = '/identity/v3/auth/tokens';

export type Scope =
  | { readonly project: { readonly id: string } }
  | { readonly domain: { readonly id: string } }
  | { readonly system: { readonly all: true } }
  | 'unscoped';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // Replies are of every shape; the tests look only at what they are about.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** A second api beside a test's own, on the same database, that is its own identity service. */
export class IdentityApi implements AsyncDisposable {
  readonly url: string;
  readonly log: string[];
  readonly #server: Server;

  private constructor(server: Server, log: string[]) {
    this.#server = server;
    this.log = log;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(
    api: TestApi,
    options: {
      readonly settings?: Partial<IdentitySettings>;
      readonly clock?: Clock;
      readonly masterKeys?: string;
    } = {},
  ): Promise<IdentityApi> {
    const { clock = api.app.clock, masterKeys = SECRET_KEY, settings = {} } = options;
    const identity = createBuiltinIdentity({ db: api.db, clock, masterKeys, settings });
    const log: string[] = [];
    const server = createApi(
      { ...api.app, clock, identity },
      { authenticator: createBuiltinAuthenticator(identity), log: (line) => log.push(line) },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new IdentityApi(server, log);
  }

  /** Puts the first administrator there. */
  static async bootstrap(api: TestApi): Promise<{ readonly projectId: string; readonly userId: string }> {
    const { db, clock, ids } = api.app;
    const identity = createBuiltinIdentity({ db, clock, masterKeys: SECRET_KEY });
    return bootstrapIdentity({ identity, ids }, ADMIN);
  }

  async call(method: string, path: string, token?: string, body?: unknown, more = {}): Promise<Answered> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { 'X-Auth-Token': token }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...more,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    const answered = {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    if (method === 'POST' && path === LOGIN) {
      if (response.ok) tokenReply.parse(answered.body);
    } else if (response.ok && method !== 'HEAD') checkAnswer(method, path, answered, body);
    return answered;
  }

  /** The same below the identity API. */
  identity(method: string, path: string, token?: string, body?: unknown, more = {}): Promise<Answered> {
    return this.call(method, `/identity/v3${path}`, token, body, more);
  }

  /** `POST /auth/tokens`; the token is in the header `X-Subject-Token`. */
  logIn(user: { readonly name: string; readonly password: string }, scope?: Scope): Promise<Answered> {
    const password = { user: { ...user, domain: DEFAULT } };
    const auth = { identity: { methods: ['password'], password }, ...(scope && { scope }) };
    return this.identity('POST', '/auth/tokens', undefined, { auth });
  }

  /** @throws Error when it is not given out. */
  async token(user: { readonly name: string; readonly password: string }, scope?: Scope): Promise<string> {
    const { status, headers, body } = await this.logIn(user, scope);
    const token = headers.get('x-subject-token');
    if (status !== 201 || token === null) throw new Error(`${user.name}: ${status} ${JSON.stringify(body)}`);
    return token;
  }

  /** The first administrator's, for the project that `bootstrap` has made. */
  adminToken(projectId: string): Promise<string> {
    return this.token({ name: ADMIN.user, password: ADMIN.password }, { project: { id: projectId } });
  }

  /** Creates a project, user, role or group. @returns its id @throws Error unless it was made */
  async make(noun: string, fields: object, token: string): Promise<string> {
    const { status, body } = await this.identity('POST', `/${noun}s`, token, { [noun]: fields });
    if (status !== 201) throw new Error(`${noun}: ${status} ${JSON.stringify(body)}`);
    return body[noun].id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
