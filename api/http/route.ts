import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { RequestContext } from './context.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * What a handler answers: `body` is serialised, `json` is sent as it stands, `stream` as it comes (its length is among
 * the headers, and what it gives out is no one's afterwards); none of them means an empty reply.
 */
export interface Reply<B = unknown> {
  readonly status: number;
  readonly body?: B;
  readonly json?: string;
  readonly stream?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler is given, already checked against the route's schemas. */
export interface Input<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/**
 * One line of the API: drives routing, validation and `/openapi.json`.
 * Who may call it, `api/policy` says. `path` is relative to the API's root, for example `/volumes/{id}`; the project id before it is the router's matter.
 */
export interface Route<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> {
  readonly method: Method;
  readonly path: string;
  /** For routes that share `POST …/action`: the one key of the body that selects this route. */
  readonly action?: string;
  readonly summary: string;
  /** First microversion that has this route (the minor of 3.x); earlier ones get a 404 as in Cinder. */
  readonly since?: number;
  readonly params: P;
  readonly query: Q;
  /** Further names that the handler reads from the query, for the document. */
  readonly queryNames?: readonly string[];
  /** Those that it reads for administrators alone. */
  readonly adminQueryNames?: readonly string[];
  /** Headers that the handler reads, besides those that every request may have. */
  readonly headers?: readonly string[];
  /** Absent: the route takes no body. */
  readonly body?: B;
  /**
   * Media types of the body. Default: JSON. `BYTES` (with `bytesBody`) leaves the body unread: the handler streams it,
   * however long it is and takes.
   */
  readonly consumes?: readonly string[];
  /** Media type of the replies. Default: JSON. */
  readonly produces?: string;
  /** Status → schema of the reply; null for an empty body. Parsed in tests, documented in OpenAPI. */
  readonly replies: Readonly<Record<number, R | null>>;
  /** What HEAD is answered with where it is not what GET is. */
  readonly head?: 204;
  handle(
    context: RequestContext,
    input: Input<z.output<P>, z.output<Q>, z.output<B>>,
  ): Promise<Reply> | Reply;
}

export const BYTES = 'application/octet-stream';

/** The body of a route that takes BYTES: the request itself, of which only the head has been read. */
export const bytesBody = z.custom<IncomingMessage>(() => true);

/** Ties a route's handler to its own schemas; the table itself holds the erased type. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  definition: Route<P, Q, B, R>,
): Route {
  return definition;
}
