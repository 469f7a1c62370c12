import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Authenticator } from '#api/auth/authenticator.ts';
import type { RateLimits } from '#api/limits/rate-limits.ts';
import type { Decisions } from '#api/policy/decide.ts';
import { readJsonBody } from './body.ts';
import { unread } from './bytes.ts';
import type { App, Caller, RequestContext } from './context.ts';
import { ApiError, badRequest, noSuchRoute } from './errors.ts';
import { type MicroversionRange, negotiate, parse } from './microversion.ts';
import { LIST_QUERY } from './pagination.ts';
import { BYTES, type Method, type Reply, type Route } from './route.ts';
import type { Endpoint, Router } from './router.ts';
import { schemeOf } from './scheme.ts';
import { parseInput, type Words } from './validation.ts';

/** One API under one prefix: Cinder's `/v3`, Nova's `/compute/v2.1`, or Glance's `/image/v2`. */
export interface ApiRoot {
  /** `/v3`, without a slash at its end. */
  readonly prefix: string;
  /** Absent: the API has no microversions. */
  readonly versions?: MicroversionRange;
  readonly router: Router;
  /** Who may do what. */
  readonly decisions: Decisions;
  /** From this minor on the path may leave out the project. */
  readonly projectOptionalSince: number;
  /** What of a request its replies depend on. */
  readonly vary?: string;
  /** How wrong bodies are complained of. Default: as Cinder does. */
  readonly words?: Words;
  /** What a path is to a method that it does not have: Cinder does not know it then. Default: 405. */
  readonly wrongMethod?: 404;
  /** A path may end in `.json`, as Cinder's may. */
  readonly suffix?: '.json';
  /** An older header that carries a bare version. */
  readonly legacyVersionHeader?: string;
  /**
   * Another proof of identity than the authenticator's, looked at first; undefined when the request brings none.
   * @throws ApiError 401 when it is not valid for this request.
   */
  readonly bearer?: (app: App, request: IncomingMessage, segments: readonly string[]) => Caller | undefined;
  /** A POST that brings its proof of identity in the body. */
  readonly login?: Login;
  /** Why nothing answers here, for the client; null when all is well. */
  readonly closed?: (app: App) => string | null;
}

/** Answers those who ask for a token, or what theirs is good for. */
export interface Login {
  /** Below the root's prefix. */
  readonly path: string;
  /** What is asked and answered, for the document. */
  readonly asks: z.ZodType;
  readonly answers: z.ZodType;
  /** @throws ApiError 400 when the body is not what it should be, 401 when it proves nobody. */
  readonly answer: (
    context: Omit<RequestContext, 'caller'>,
    body: unknown,
    identify: (token: string) => Promise<Caller>,
  ) => Promise<Reply> | Reply;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** The route's template, once it is known. */
  route?: string;
}

/** What Cinder's paths take for a project; anything else leads nowhere. */
const PROJECT_OF_CINDER = /^[0-9a-f-]+$/;
const PROJECT = /^[A-Za-z0-9_.-]{1,64}$/;
const METHODS: Readonly<Record<string, Method>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
};

/** Answers one request under one API's root, whatever it holds. */
export class Dispatcher {
  readonly #app: App;
  readonly #authenticator: Authenticator;
  readonly #limits: RateLimits | undefined;

  constructor(app: App, authenticator: Authenticator, limits?: RateLimits) {
    this.#app = app;
    this.#authenticator = authenticator;
    this.#limits = limits;
  }

  /**
   * @param path the URL's path, still encoded; begins with the root's prefix.
   * @throws ApiError what the client is to be told. The version's headers are set on the response before.
   */
  async dispatch(root: ApiRoot, exchange: Exchange, path: string, rawQuery: string): Promise<Reply> {
    const { request, response, requestId } = exchange;
    const { login, vary } = root;
    if (vary !== undefined) response.setHeader('Vary', vary);
    if (login !== undefined && request.method === 'POST' && path === `${root.prefix}${login.path}`) {
      return this.#logIn(root, login, exchange, rawQuery);
    }
    const { suffix = '' } = root;
    const end = suffix !== '' && path.endsWith(suffix) ? -suffix.length : undefined;
    const segments = path.slice(root.prefix.length + 1, end).split('/');
    const first = segments[0] ?? '';
    const project = root.router.hasRoot(first) ? undefined : first;
    const caller =
      root.bearer?.(this.#app, request, segments) ?? (await this.#identify(request, validProject(project)));
    const closed = root.closed?.(this.#app) ?? null;
    if (closed !== null) throw new ApiError(404, closed);
    const method = METHODS[request.method ?? ''];
    const match = root.router.match(method, segments, project === undefined ? 0 : 1);
    if (match === undefined) throw noSuchRoute();
    const microversion = setVersion(root, request, response);
    if (project === undefined && microversion < root.projectOptionalSince) throw noSuchRoute();
    if (match.endpoint === undefined) {
      if (root.wrongMethod === 404) throw noSuchRoute();
      throw new ApiError(405, 'The method is not allowed for this resource.', {
        Allow: match.allowed.join(', '),
      });
    }
    const body = await readBody(match.endpoint, request);
    const route = select(root, match.endpoint, body);
    exchange.route = `${root.prefix}${route.path}${route.action === undefined ? '' : `#${route.action}`}`;
    if (route.since !== undefined && microversion < route.since) throw noSuchRoute();
    checkProject(caller, project);
    root.decisions.check(route, caller, project);
    const context: RequestContext = {
      app: this.#app,
      caller: actingIn(caller, project),
      requestId,
      microversion,
      rawQuery,
      ...headersOf(request),
      ...urls(root, request, project),
    };
    const reply = await route.handle(context, {
      params: parseInput(route.params, decodeParams(match.endpoint.paramNames, match.values)),
      query: parseInput(route.query, rawQuery === '' ? {} : decodeQuery(rawQuery)),
      body: route.body === undefined ? undefined : parseInput(route.body, requireBody(body), root.words),
    });
    return request.method === 'HEAD' && route.head !== undefined ? { status: route.head } : reply;
  }

  /** Once read, the token is shown as any other request shows it. */
  async #logIn(
    root: ApiRoot,
    login: Login,
    { request, requestId }: Exchange,
    rawQuery: string,
  ): Promise<Reply> {
    this.#limits?.admit(request);
    const closed = root.closed?.(this.#app) ?? null;
    if (closed !== null) throw new ApiError(404, closed);
    const body = requireBody(await readJsonBody(request));
    const context = {
      app: this.#app,
      requestId,
      microversion: 0,
      rawQuery,
      ...headersOf(request),
      ...urls(root, request, undefined),
    };
    return this.#counted(request, () =>
      login.answer(context, body, async (token) => {
        request.headers['x-auth-token'] = token;
        const caller = await this.#authenticator.authenticate(request, undefined);
        this.#limits?.take(caller);
        return caller;
      }),
    );
  }

  /** @throws ApiError 401, or 429 when the address has failed too often or the project asks too much. */
  async #identify(request: IncomingMessage, project: string | undefined): Promise<Caller> {
    this.#limits?.admit(request);
    const caller = await this.#counted(request, () => this.#authenticator.authenticate(request, project));
    this.#limits?.take(caller);
    return caller;
  }

  /** What proves nobody is counted against its address. */
  async #counted<T>(request: IncomingMessage, prove: () => Promise<T> | T): Promise<T> {
    try {
      return await prove();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#limits?.failed(request);
      throw error;
    }
  }
}

/** A path's project that can't be one is still read as one, so that the answer is the same for every shape of it. */
function validProject(project: string | undefined): string | undefined {
  return project !== undefined && PROJECT.test(project) ? project : undefined;
}

async function readBody({ route }: Endpoint, request: IncomingMessage): Promise<unknown> {
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'DELETE') return undefined;
  return route?.consumes?.includes(BYTES) ? unread(request) : readJsonBody(request, route?.consumes);
}

/** Also sets the reply's version headers: they belong on errors too. */
function setVersion(root: ApiRoot, request: IncomingMessage, response: ServerResponse): number {
  const { versions, legacyVersionHeader } = root;
  if (versions === undefined) return 0;
  response.setHeader('Vary', 'OpenStack-API-Version');
  const header = request.headers['openstack-api-version'];
  const legacy = legacyVersionHeader === undefined ? undefined : request.headers[legacyVersionHeader];
  const minor =
    header === undefined && typeof legacy === 'string'
      ? parse(versions, legacy)
      : negotiate(versions, typeof header === 'string' ? header : undefined);
  response.setHeader('OpenStack-API-Version', `${versions.service} ${versions.major}.${minor}`);
  if (legacyVersionHeader !== undefined) {
    response.setHeader('X-OpenStack-Nova-API-Version', `${versions.major}.${minor}`);
  }
  return minor;
}

function select({ wrongMethod }: ApiRoot, endpoint: Endpoint, body: unknown): Route {
  if (endpoint.route !== undefined) return endpoint.route;
  if (wrongMethod === 404 && namesNoAction(body)) throw noSuchRoute();
  const keys = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [];
  const [action] = keys;
  if (body === undefined) throw noSuchAction('None');
  if (action === undefined || keys.length !== 1) throw badRequest('Malformed request body');
  const route = endpoint.actions?.get(action);
  if (route !== undefined) return route;
  throw noSuchAction(action.slice(0, 100).toWellFormed());
}

/** Cinder looks for an action's name among keys alone: a body that has none, and is not empty either, leads nowhere. */
function namesNoAction(body: unknown): boolean {
  if (Array.isArray(body)) return body.length > 0;
  return body === null || ['string', 'number', 'boolean'].includes(typeof body);
}

const noSuchAction = (action: string): ApiError =>
  badRequest(
    `There is no such action: ${action}. Verify the request body and Content-Type header and try again.`,
  );

function checkProject(caller: Caller, project: string | undefined): void {
  if (project === undefined || project === caller.projectId) return;
  if (PROJECT.test(project) && caller.isAdmin) return;
  throw PROJECT_OF_CINDER.test(project) ? badRequest('Malformed request url') : noSuchRoute();
}

/** An admin who names another project in the path acts in that project. */
function actingIn(caller: Caller, project: string | undefined): Caller {
  if (project === undefined || project === caller.projectId) return caller;
  return { ...caller, projectId: project as Caller['projectId'] };
}

function headersOf({ headers }: IncomingMessage) {
  return {
    ifMatch: headers['if-match'],
    range: headers.range,
    token: oneOf(headers['x-auth-token']),
    subjectToken: oneOf(headers['x-subject-token']),
  };
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}

const HOST = /^[A-Za-z0-9.:_[\]-]{1,255}$/;

function urls(root: ApiRoot, request: IncomingMessage, project: string | undefined) {
  const header = request.headers.host;
  const origin = `${schemeOf(request)}://${header !== undefined && HOST.test(header) ? header : 'localhost'}`;
  const suffix = project === undefined ? '' : `/${project}`;
  const bookmarkRoot = root.prefix.slice(0, root.prefix.lastIndexOf('/'));
  return {
    selfUrl: `${origin}${root.prefix}${suffix}`,
    bookmarkUrl: `${origin}${bookmarkRoot}${suffix}`,
  };
}

function decodeParams(names: readonly string[], values: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  names.forEach((name, i) => {
    const value = values[i] ?? '';
    params[name] = value.includes('%') ? decode(value) : value;
  });
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest(
      'Error decoding your request. Either the URL or the request body contained characters that could not be decoded by Cinder.',
    );
  }
}

const FIRST_COUNTS: ReadonlySet<string> = new Set(LIST_QUERY);

/** Of a key that comes twice the last one counts, of one that pages the first, as in Cinder. */
function decodeQuery(rawQuery: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [key, value] of new URLSearchParams(rawQuery)) {
    if (!(key in query && FIRST_COUNTS.has(key))) query[key] = value;
  }
  return query;
}

function requireBody(body: unknown): unknown {
  if (body === undefined) throw badRequest('Malformed request body');
  return body;
}
