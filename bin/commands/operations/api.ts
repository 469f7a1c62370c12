import { z } from 'zod';
import { CommandError } from '../command.ts';

const DEFAULT_URL = 'http://127.0.0.1:8776';
const DEADLINE_MS = 30_000;
/** From here on no project is needed in paths. */
const VERSION = 'volume 3.67';

export interface Endpoint {
  /** Of the API, as in `BLOCKYARD_URL`. */
  readonly url: string;
  readonly token: string | undefined;
}

/** @throws CommandError when the URL is none. */
export function endpointFrom(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Endpoint {
  const url = option ?? (env['BLOCKYARD_URL'] || DEFAULT_URL);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new CommandError(`${option === undefined ? 'BLOCKYARD_URL' : '--url'} is not an http URL`);
  return { url: url.replace(/\/+$/, ''), token: env['BLOCKYARD_TOKEN'] || undefined };
}

/** Cinder's shape: `{"itemNotFound": {"code": 404, "message": "…"}}`. */
const failure = z.record(z.string(), z.looseObject({ message: z.string() }));

/**
 * @param path below `/v3`.
 * @param deadlineMs how long the answer may take.
 * @throws CommandError with the API's own message, or why there is no answer.
 */
export function get(endpoint: Endpoint, path: string, deadlineMs: number = DEADLINE_MS): Promise<unknown> {
  return call(endpoint, path, {}, deadlineMs);
}

/** @throws as `get` */
export function post(
  endpoint: Endpoint,
  path: string,
  body: object,
  deadlineMs: number = DEADLINE_MS,
): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json' };
  return call(endpoint, path, { method: 'POST', headers, body: JSON.stringify(body) }, deadlineMs);
}

async function call(
  { url, token }: Endpoint,
  path: string,
  request: { method?: string; headers?: Record<string, string>; body?: string },
  deadlineMs: number,
): Promise<unknown> {
  const response = await fetch(`${url}/v3${path}`, {
    ...request,
    headers: {
      ...request.headers,
      'OpenStack-API-Version': VERSION,
      ...(token !== undefined && { 'X-Auth-Token': token }),
    },
    signal: AbortSignal.timeout(deadlineMs),
  }).catch((error: unknown) => {
    throw new CommandError(`no answer from ${new URL(url).origin}: ${reason(error)}`);
  });
  const text = await response.text();
  const body = parse(text);
  if (response.ok && (body !== undefined || text === '')) return body;
  const message = Object.values(failure.safeParse(body).data ?? {})[0]?.message;
  const hint = response.status === 401 ? ' (BLOCKYARD_TOKEN is missing or wrong)' : '';
  throw new CommandError(`${message ?? `the API answered with status ${response.status}`}${hint}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error
    ? cause.message || String((cause as NodeJS.ErrnoException).code)
    : error.message;
}
