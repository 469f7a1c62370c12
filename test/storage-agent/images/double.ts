import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ImageAction, TICKET_HEADER, ticketHolder } from '#images/ticket.ts';
import type { DiskFormat, ImageSource } from '#schema/tasks.ts';

/** What stands in for the image service: the two requests that an agent makes, with the tickets really checked. */
export interface ImageDouble extends AsyncDisposable {
  readonly url: string;
  readonly agentKeys: string;
  /** By image id; an upload lands here too. */
  readonly data: Map<string, Buffer>;
  /** How often an image's data were asked for. */
  readonly fetched: string[];
  /** Changes the next answers to these requests. */
  misbehave(how: Misbehaviour | null): void;
  /** What a task would say about this image. */
  source(id: string, diskFormat: DiskFormat): ImageSource;
}

export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export async function startImageDouble(agentKeys: string): Promise<ImageDouble> {
  const data = new Map<string, Buffer>();
  const fetched: string[] = [];
  let misbehaviour: Misbehaviour | null = null;
  const allowed = (request: IncomingMessage, id: string, action: ImageAction): boolean =>
    ticketHolder(() => agentKeys, String(request.headers[TICKET_HEADER]), id, action, Date.now()) !== null;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = /^\/image\/v2\/images\/([0-9a-f-]{36})\/file$/.exec(request.url ?? '')?.[1] ?? '';
    const writes = request.method === 'PUT';
    if (!allowed(request, id, writes ? 'write' : 'read')) return void response.writeHead(403).end();
    if (!writes) {
      fetched.push(id);
      if (misbehaviour !== null) return misbehaviour(request, response);
      const found = data.get(id);
      return void (found === undefined ? response.writeHead(204).end() : response.writeHead(200).end(found));
    }
    if (misbehaviour !== null) return misbehaviour(request, response);
    if (data.has(id)) return void response.writeHead(409, { connection: 'close' }).end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const all = Buffer.concat(chunks);
    if (all.length !== Number(request.headers['content-length'])) return void response.writeHead(400).end();
    data.set(id, all);
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/image`,
    agentKeys,
    data,
    fetched,
    misbehave: (how) => {
      misbehaviour = how;
    },
    source(id, diskFormat) {
      const bytes = data.get(id) ?? Buffer.alloc(0);
      const digest = (name: string): string => createHash(name).update(bytes).digest('hex');
      return { id, diskFormat, sizeBytes: bytes.length, md5: digest('md5'), sha512: digest('sha512') };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
