import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MetricsAddress } from './address.ts';
import { describeProcess, METRICS_TYPE, scrape } from './metrics.ts';

export interface ListenerOptions {
  /** Where; null for nowhere. */
  readonly address: MetricsAddress | null;
  /** `api`, `conductor`, `storage` or `compute`. */
  readonly process: string;
  readonly version: string;
  /** Why this process cannot do its work now; empty when it can. */
  readonly troubles: () => Promise<readonly string[]>;
  readonly log: (line: string) => void;
}

export interface Listener {
  /** `http://127.0.0.1:9876`; null when it listens nowhere. */
  readonly url: string | null;
  close(): void;
}

const READY_MS = 3_000;

/**
 * Answers `/metrics` (Prometheus), `/healthz` (200 while the process answers at all) and `/readyz` (503, and why, while it
 * cannot do its work).
 * @throws Error when an address that was asked for is taken.
 */
export async function listenForScrapes(options: ListenerOptions): Promise<Listener> {
  const { address, log } = options;
  if (address === null) return { url: null, close: () => undefined };
  describeProcess(options.process, options.version);
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 65_000 },
    (request, response) => {
      answer(options, request, response).catch((error: Error) => {
        log(`metrics: ${error.message}`);
        response.destroy();
      });
    },
  );
  server.maxConnections = 64;
  const url = await listen(server, address);
  // Nobody's work: it must not keep a process alive that has ended its own.
  server.unref();
  log(`metrics of ${options.process}: ${url}/metrics`);
  return {
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Another process of the same kind may have the usual port; one that was asked for is asked for. */
async function listen(server: Server, { host, port, usual }: MetricsAddress): Promise<string> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    if (!usual || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
      throw new Error(`BLOCKYARD_METRICS_LISTEN: ${(error as Error).message}`, { cause: error });
    server.listen(0, host);
    await once(server, 'listening');
  }
  const { address, port: chosen, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`;
}

async function answer(
  { troubles }: ListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const reply = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(text);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return reply(405, 'only GET\n');
  switch ((request.url ?? '').split('?', 1)[0]) {
    case '/metrics':
      return reply(200, await scrape(), METRICS_TYPE);
    case '/healthz':
      return reply(200, 'ok\n');
    case '/readyz': {
      const found = await withinReason(troubles());
      return found.length === 0 ? reply(200, 'ready\n') : reply(503, `${found.join('\n')}\n`);
    }
    default:
      return reply(404, '/metrics, /healthz or /readyz\n');
  }
}

async function withinReason(troubles: Promise<readonly string[]>): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(resolve, READY_MS, ['no answer in time']);
  });
  try {
    return await Promise.race([troubles, late]);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    clearTimeout(timer);
  }
}
