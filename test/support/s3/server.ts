import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect, createServer, type Server as Listener, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { freePort } from '#stack/servers/port.ts';
import { type Server, startServer } from '#stack/servers/server.ts';
import type { Certificate } from '../authority.ts';

const ACCOUNT = 'blockyard:backups';

/** OpenStack Swift with its S3 API, by TLS, which one can take away and bring back with what it holds. */
export class S3Server implements AsyncDisposable {
  readonly accessKey = ACCOUNT;
  /** `https://…`, the same all the time. */
  readonly url: string;
  readonly #server: Server;
  readonly #dir: string;
  readonly #backPort: number;
  readonly #ca: string;
  readonly #connections = new Set<Socket>();
  #front: Listener | undefined;

  private constructor(server: Server, dir: string, ports: { front: number; back: number }, ca: string) {
    this.#server = server;
    this.#dir = dir;
    this.#backPort = ports.back;
    this.#ca = ca;
    this.url = `https://127.0.0.1:${ports.front}`;
  }

  /** @param ca PEM text of the authority that has issued the certificate. */
  static async start(dir: string, { cert, key }: Certificate, ca: string, secret: string): Promise<S3Server> {
    const ports = { front: await freePort(), back: await freePort() };
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeAccount(dir, secret);
    const server = await startServer({
      name: 's3',
      program: '/usr/bin/python3',
      args: ['-W', 'ignore', join(import.meta.dirname, 'server.py'), dir, String(ports.back), cert, key],
      dir,
      deadlineMs: 120_000,
      async ready() {
        const socket = connectTls({ port: ports.back, host: '127.0.0.1', ca });
        await once(socket, 'secureConnect');
        socket.destroy();
        return true;
      },
    });
    const s3 = new S3Server(server, dir, ports, ca);
    await s3.back();
    return s3;
  }

  /** From here on only this secret opens the account. */
  async setSecret(secret: string): Promise<void> {
    await writeAccount(this.#dir, secret);
    process.kill(this.#server.pid, 'SIGHUP');
  }

  /** Nobody listens any more, and who was connected is cut off. */
  async away(): Promise<void> {
    const front = this.#front;
    if (front === undefined) return;
    this.#front = undefined;
    for (const socket of this.#connections) socket.destroy();
    front.close();
    await once(front, 'close');
  }

  async back(): Promise<void> {
    if (this.#front !== undefined) return;
    this.#front = createServer((client) => {
      const server = connect(this.#backPort, '127.0.0.1');
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#connections.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#connections.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    }).listen(Number(new URL(this.url).port), '127.0.0.1');
    await once(this.#front, 'listening');
  }

  /** Bytes of all objects in a bucket, by the server's own account, which it gives by Swift's API. */
  async bytesIn(bucket: string, secret: string): Promise<number> {
    const account = { 'x-auth-user': ACCOUNT, 'x-auth-key': secret };
    const { 'x-auth-token': token } = await this.#ask('/auth/v1.0', account);
    const headers = await this.#ask(`/v1/AUTH_${ACCOUNT.split(':')[0]}/${bucket}?limit=1`, {
      'x-auth-token': String(token),
    });
    return Number(headers['x-container-bytes-used']);
  }

  async #ask(path: string, headers: Record<string, string>): Promise<NodeJS.Dict<string | string[]>> {
    const sent = request(this.url + path, { headers, ca: this.#ca, agent: false }).end();
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
    response.resume();
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${path}: ${response.statusCode}`);
    return response.headers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.away();
    await this.#server.stop();
  }
}

function writeAccount(dir: string, secret: string): Promise<void> {
  return writeFile(join(dir, 'account'), `${ACCOUNT} ${secret}\n`, { mode: 0o600 });
}
