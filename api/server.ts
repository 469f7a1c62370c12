import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import Koa from 'koa';
import { logger } from '#telemetry/log-levels.ts';
import { currentSpan, inSpan, parseTraceparent, type SpanSpec } from '#telemetry/tracing.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { drain, mayTakeLong } from './http/bytes.ts';
import type { App } from './http/context.ts';
import { type ApiRoot, Dispatcher, type Exchange } from './http/dispatch.ts';
import { ApiError, noSuchRoute } from './http/errors.ts';
import { countRequest } from './http/metrics.ts';
import { oneLine } from './http/one-line.ts';
import type { Reply } from './http/route.ts';
import { send } from './http/send.ts';
import { limitConnections } from './limits/connections.ts';
import { limitGuesses } from './limits/limit-guesses.ts';
import { createRateLimits } from './limits/rate-limits.ts';
import type { Limits } from './limits/settings.ts';
import { apiRoots, documents } from './routes.ts';

export interface ApiOptions {
  readonly authenticator: Authenticator;
  /** Certificate and key for HTTPS; plain HTTP without them. */
  readonly tls?: SecureContextOptions | undefined;
  /** Where failures that are our fault are told; never a request's body. */
  readonly log: (message: string) => void;
  /** What answers below `/dashboard`; nothing does without it. */
  readonly dashboard?: Koa.Middleware;
  /** Default: none. */
  readonly limits?: Limits;
  /** Milliseconds that a client has for a request, image data apart. Default: a minute. */
  readonly requestTimeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 60_000;
/** A head comes in one piece, or its client is not in earnest. */
const HEADERS_TIMEOUT_MS = 20_000;
const CHECK_EVERY_MS = 5_000;
const MAX_HEADER_BYTES = 16_384;

/** The API as an HTTP server that listens to nothing yet. */
export function createApi(app: App, options: ApiOptions): Server {
  const limits = options.limits && createRateLimits(options.limits.rates, app.clock);
  const dispatcher = new Dispatcher(app, options.authenticator, limits);
  const { requestTimeoutMs: requestTimeout = REQUEST_TIMEOUT_MS } = options;
  const koa = new Koa();
  // Koa would print what it catches; everything is caught and told below.
  koa.silent = true;
  if (options.dashboard !== undefined) koa.use(limitGuesses(options.dashboard, limits));
  koa.use(async (ctx) => {
    ctx.respond = false;
    await answer(ctx.req, ctx.res);
  });

  const newRequestId = (): string => `req-${app.ids.uuid()}`;

  function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange: Exchange = { request, response, requestId: newRequestId() };
    const answered = countRequest(request.method);
    response.once('close', () => answered(exchange.route, response.statusCode));
    return inSpan(
      () => serverSpan(exchange),
      () => respond(exchange),
    );
  }

  async function respond(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    let reply: Reply;
    try {
      reply = await reach(exchange);
    } catch (error) {
      reply = failure(error, exchange);
      if (mayTakeLong(request.socket)) await drain(request);
    }
    tellSpan(exchange, reply.status);
    if (!response.headersSent && !response.destroyed)
      send(response, reply, exchange.requestId, requestTimeout);
    else reply.stream?.destroy();
  }

  function reach(exchange: Exchange): Promise<Reply> | Reply {
    const url = exchange.request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    const document = documents.get(path);
    if (document !== undefined) {
      limits?.admit(exchange.request);
      return document.answer(exchange.request);
    }
    const root = rootOf(path);
    if (root === undefined) throw noSuchRoute();
    return dispatcher.dispatch(root, exchange, path, mark === -1 ? '' : url.slice(mark + 1));
  }

  function failure(error: unknown, { request, response, requestId }: Exchange): Reply {
    const told = error instanceof ApiError ? error : ours(error);
    // Nobody is left to be told when the client has gone, or the process stops.
    if (!(error instanceof ApiError) && !response.destroyed) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      options.log(oneLine(`${requestId} ${request.method ?? ''} failed: ${reason}`));
    }
    // Keystone's middleware, in front of every service, is who answers 401.
    const body =
      told.status === 401 || request.url?.startsWith('/identity/')
        ? told.toKeystoneBody(requestId)
        : told.toBody(requestId);
    return { status: told.status, body, headers: told.headers };
  }

  const handle = koa.callback();
  const http = {
    keepAliveTimeout: 65_000,
    requestTimeout,
    headersTimeout: Math.min(requestTimeout, HEADERS_TIMEOUT_MS),
    connectionsCheckingInterval: Math.min(requestTimeout / 2, CHECK_EVERY_MS),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const take = (request: IncomingMessage, response: ServerResponse): void => void handle(request, response);
  const server =
    options.tls === undefined
      ? createServer(http, take)
      : createTlsServer({ ...options.tls, ...http, handshakeTimeout: HEADERS_TIMEOUT_MS }, take);
  if (options.limits !== undefined) limitConnections(server, options.limits.connections);
  server.on('clientError', (error, socket: Socket) => refuse(error, socket, newRequestId()));
  return server;
}

function serverSpan({ request, requestId }: Exchange): SpanSpec {
  const header = request.headers['traceparent'];
  return {
    name: request.method ?? 'HTTP',
    kind: 'server',
    root: true,
    parent: typeof header === 'string' && parseTraceparent(header) !== null ? header : null,
    attributes: { 'http.request.method': request.method ?? '', 'blockyard.request': requestId },
  };
}

const httpLog = logger('blockyard.http');

function tellSpan({ request, route, requestId }: Exchange, status: number): void {
  httpLog.debug(() => `${requestId} ${request.method ?? ''} ${route ?? 'no route'} ${status}`);
  const span = currentSpan();
  if (span === undefined) return;
  if (route !== undefined) span.rename(`${request.method ?? ''} ${route}`);
  span.set({ 'http.response.status_code': status, ...(route !== undefined && { 'http.route': route }) });
  if (status >= 500) span.fail(`status ${status}`);
}

function rootOf(path: string): ApiRoot | undefined {
  return apiRoots.find((root) => path.startsWith(`${root.prefix}/`));
}

function ours(error: unknown): ApiError {
  const lost = error instanceof Error && 'code' in error && DATABASE_GONE.has(String(error.code));
  return lost
    ? new ApiError(503, 'The database does not answer. Try again later.')
    : new ApiError(500, 'The server has either erred or is incapable of performing the requested operation.');
}

const DATABASE_GONE = new Set(['ECONNREFUSED', 'PROTOCOL_CONNECTION_LOST', 'ETIMEDOUT', 'ECONNRESET']);

/** What is not HTTP gets an answer that is, in the API's shape. */
function refuse(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && mayTakeLong(socket)) return;
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'The request header is too large.']
      : ['400 Bad Request', 'The request is not valid HTTP.'];
  const fault = { code: Number.parseInt(status, 10), message: reason, request_id: requestId };
  const body = JSON.stringify({ badRequest: fault });
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    `x-openstack-request-id: ${requestId}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
