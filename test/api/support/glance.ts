import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '#stack/servers/port.ts';

const execute = promisify(execFile);

export interface Glance extends AsyncDisposable {
  readonly url: string;
  /** A real Glance (Debian: glance-api), without Keystone; otherwise a double that knows what this test asks. */
  readonly real: boolean;
}

export async function startGlance(): Promise<Glance> {
  const installed = await execute('glance-manage', ['--version'], { timeout: 60_000 }).catch(() => undefined);
  return installed === undefined ? startDouble() : startReal();
}

const PASTE = `
[pipeline:glance-api]
pipeline = unauthenticated-context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
`;

async function startReal(): Promise<Glance> {
  const dir = await mkdtemp(join(tmpdir(), 'blockyard-glance-'));
  const port = await freePort();
  await mkdir(join(dir, 'images'));
  await writeFile(join(dir, 'paste.ini'), PASTE);
  const config = join(dir, 'glance.conf');
  await writeFile(
    config,
    `[DEFAULT]
bind_host = 127.0.0.1
bind_port = ${port}
workers = 0
[database]
connection = sqlite:///${join(dir, 'glance.sqlite')}
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = ${join(dir, 'images')}
[paste_deploy]
config_file = ${join(dir, 'paste.ini')}
`,
  );
  await execute('glance-manage', ['--config-file', config, 'db_sync'], { timeout: 120_000 });
  const server = spawn('glance-api', ['--config-file', config], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break;
    if (attempt > 300) throw new Error('glance-api did not come up');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    real: true,
    async [Symbol.asyncDispose]() {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
      await rm(dir, { recursive: true });
    },
  };
}

type Image = Record<string, unknown>;

async function startDouble(): Promise<Glance> {
  const images = new Map<string, Image>();
  const members = new Map<string, object>();

  /** Pages of one image each, where Glance would have 25: whoever asks must ask on. */
  function list(query: URLSearchParams): object {
    const named = [...images.values()].filter(({ name }) => name === query.get('name'));
    const from = named.findIndex((image) => image['id'] === query.get('marker')) + 1;
    const [first, ...more] = named.slice(from);
    if (first === undefined || more.length === 0) return { images: named.slice(from) };
    query.set('marker', String(first['id']));
    return { images: [first], next: `/v2/images?${query.toString()}` };
  }

  function answer(method: string, url: string, body: unknown): [number, unknown?] {
    const { pathname, searchParams } = new URL(url, 'http://glance');
    const [, , , id = '', what, member = ''] = pathname.split('/');
    if (method === 'GET' && id === '') return [200, list(searchParams)];
    const image = images.get(id);
    if (method === 'POST' && id === '') {
      const made = { ...DEFAULTS, id: randomUUID(), ...(body as Image) };
      images.set(made.id, made);
      return [201, made];
    }
    if (image === undefined) return [404];
    if (what === 'file' && method === 'PUT') {
      Object.assign(image, { status: 'active', size: (body as Buffer).length });
      return [204];
    }
    if (what === 'members') {
      const key = `${id} ${member === '' ? (body as { member: string }).member : member}`;
      if (method !== 'GET') members.set(key, { status: 'pending', ...(body as object) });
      const found = members.get(key);
      return found === undefined ? [404] : [200, found];
    }
    if (method === 'DELETE') return images.delete(id) ? [204] : [404];
    if (method === 'PATCH') {
      for (const { path: at, value } of body as { path: string; value: unknown }[])
        image[at.slice(1)] = value;
    }
    return [200, image];
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const isJson = bytes.length > 0 && request.headers['content-type']?.includes('json') === true;
      const body: unknown = isJson ? JSON.parse(bytes.toString()) : bytes;
      const [status, reply] = answer(request.method ?? '', request.url ?? '', body);
      response.writeHead(status).end(reply === undefined ? undefined : JSON.stringify(reply));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    real: false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const DEFAULTS = {
  name: null,
  status: 'queued',
  visibility: 'shared',
  owner: null,
  size: null,
  virtual_size: null,
  min_disk: 0,
  min_ram: 0,
  checksum: null,
  protected: false,
};
