import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An HTTP client that keeps its connections, as a busy program would. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #base: URL;
  readonly #token: string;

  constructor(base: string, token: string) {
    this.#base = new URL(base);
    this.#token = token;
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.#agent,
          host: this.#base.hostname,
          port: this.#base.port,
          method,
          path,
          headers: {
            'x-auth-token': this.#token,
            'openstack-api-version': 'volume 3.71',
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          },
        },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () =>
            resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
          );
          reply.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /** @throws Error unless the answer has this status. */
  async expect(status: number, method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.call(method, path, body);
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body;
  }

  close(): void {
    this.#agent.destroy();
  }
}
