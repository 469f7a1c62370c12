import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { type RunningProcfile, startProcfile } from '#stack/procfile.ts';
import { type MariadbServer, startMariadb } from '#stack/servers/mariadb.ts';
import { freePort } from '#stack/servers/port.ts';
import { type RedisServer, startRedis } from '#stack/servers/redis.ts';
import { blockyard } from '#test/bin/blockyard.ts';
import { Authority } from '#test/support/authority.ts';

const TOKEN = 'planted-token';
const PROJECT = 'b10c0000000000000000000000000001';
const HOST = 'tls-1';

/** The processes themselves, with an authority of this test's own: Redis, MySQL, the api, and the agent's way to images. */
describe('everything by TLS', function () {
  this.timeout(120_000);
  let dir: string;
  let authority: Authority;
  let stranger: Authority;
  let redis: RedisServer;
  let mariadb: MariadbServer;
  let processes: RunningProcfile;
  let port: number;
  let ca: string;
  const said: string[] = [];
  const agentEnv: Record<string, string> = {};

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-tls-'));
    [authority, stranger] = [await Authority.create(), await Authority.create()];
    ca = await readFile(authority.ca, 'utf8');
    const { cert, key } = await authority.issue();
    await copyFile(cert, join(dir, 'api.pem'));
    await copyFile(key, join(dir, 'api.key'));
    const tlsPort = await freePort();
    redis = await startRedis({
      dir: join(dir, 'r'),
      password: 'planted-redis',
      settings: `tls-port ${tlsPort}\ntls-cert-file ${cert}\ntls-key-file ${key}\ntls-ca-cert-file ${authority.ca}\n`,
    });
    mariadb = await startMariadb({
      dir: join(dir, 'm'),
      password: 'plantedmysql',
      settings: `ssl-cert = ${cert}\nssl-key = ${key}\nrequire_secure_transport = on\n`,
    });
    port = await freePort();
    await mkdir(join(dir, 'volumes'));
    const admin = { token: TOKEN, project_id: PROJECT, user_id: 'admin', roles: ['admin'] };
    await writeFile(join(dir, 'tokens.json'), JSON.stringify([admin]), { mode: 0o600 });
    const client = await authority.issue({ names: 'DNS:client' });
    const redisTls = {
      BLOCKYARD_REDIS_CA: authority.ca,
      BLOCKYARD_REDIS_CERT: client.cert,
      BLOCKYARD_REDIS_KEY: client.key,
    };
    const env = {
      PATH: process.env['PATH']!,
      HOME: dir,
      REDIS_URL: `rediss://:planted-redis@localhost:${tlsPort}`,
      ...redisTls,
      DATABASE_URL: `mysql://blockyard:plantedmysql@localhost:${mariadb.port}/blockyard`,
      BLOCKYARD_DATABASE_CA: authority.ca,
      BLOCKYARD_SECRET_KEY: randomBytes(32).toString('hex'),
      BLOCKYARD_HOST: HOST,
      BLOCKYARD_LISTEN: `127.0.0.1:${port}`,
      BLOCKYARD_TLS_CERT: join(dir, 'api.pem'),
      BLOCKYARD_TLS_KEY: join(dir, 'api.key'),
      BLOCKYARD_AUTH: 'tokens',
      BLOCKYARD_TOKENS_FILE: join(dir, 'tokens.json'),
      BLOCKYARD_STATE_DIR: join(dir, 'state'),
    };
    const added = await blockyard(['agent', 'add', HOST, '--kind', 'storage'], env);
    assert.equal(added.code, 0, added.stderr);
    assert.equal(added.stderr, '');
    const lines = added.stdout.split('\n').filter((line) => /^[A-Z_]+=/.test(line));
    Object.assign(agentEnv, Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2))), {
      PATH: env.PATH,
      ...redisTls,
      BLOCKYARD_STATE_DIR: join(dir, 'agent'),
      BLOCKYARD_BACKENDS: `file:name=files,path=${join(dir, 'volumes')}`,
      BLOCKYARD_TARGET: 'none',
      BLOCKYARD_ISCSI_PORTAL: '127.0.0.1:3260',
      BLOCKYARD_IMAGE_URL: `https://localhost:${port}/image`,
      BLOCKYARD_IMAGE_CA: authority.ca,
    });
    processes = await startProcfile({
      env: (name) => (name === 'storage' ? agentEnv : env),
      only: ['api', 'conductor', 'storage'],
      log: (name, line) => said.push(`${name}: ${line}`),
    });
    await until('a pool is known', async () => {
      const { body } = await call('GET', '/v3/scheduler-stats/get_pools');
      return (body as { pools?: object[] }).pools?.length === 1;
    });
  });
  after(async () => {
    await processes?.stop();
    await Promise.all([redis?.stop(), mariadb?.stop()]);
    for (const each of [authority, stranger]) await each?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function call(
    method: string,
    path: string,
    body?: object | Buffer,
    more: RequestOptions = {},
  ): Promise<{ status: number; body: unknown }> {
    const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
    const sent = request(`https://localhost:${port}${path}`, {
      method,
      ca,
      agent: false,
      headers: { 'x-auth-token': TOKEN, 'openstack-api-version': 'volume 3.67', 'content-type': type },
      ...more,
    });
    sent.end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
    const answer = await text(response as never);
    return { status: response.statusCode, body: answer === '' ? null : JSON.parse(answer) };
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 40_000;
    while (!(await holds().catch(() => false))) {
      assert.ok(performance.now() < deadline, `${what}: not in time\n${said.slice(-20).join('\n')}`);
      await sleep(50);
    }
  }

  async function fromImage(): Promise<{ status: string; id: string }> {
    const image = await call('POST', '/image/v2/images', {
      disk_format: 'raw',
      container_format: 'bare',
      name: 'i',
    });
    const { id } = image.body as { id: string };
    const stored = await call('PUT', `/image/v2/images/${id}/file`, Buffer.alloc(65_536, 'image'));
    assert.equal(stored.status, 204);
    const made = await call('POST', '/v3/volumes', { volume: { size: 1, imageRef: id } });
    const volume = (made.body as { volume: { id: string } }).volume.id;
    let status = '';
    await until('the volume is made', async () => {
      const shown = await call('GET', `/v3/volumes/${volume}`);
      ({ status } = (shown.body as { volume: { status: string } }).volume);
      return status === 'available' || status === 'error';
    });
    return { status, id: volume };
  }

  it('makes a volume of an image: client, api, conductor and agent', async () => {
    assert.equal((await fromImage()).status, 'available');
    const { body } = await call('GET', '/v3/');
    const [version] = (body as { versions: { links: { rel: string; href: string }[] }[] }).versions;
    assert.match(version!.links.find(({ rel }) => rel === 'self')!.href, /^https:/);
  });

  it('asks for TLS 1.2 at least, and is refused by who does not know its authority', async () => {
    await assert.rejects(call('GET', '/v3/', undefined, { ca: await readFile(stranger.ca, 'utf8') }), {
      code: /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE/,
    });
    await assert.rejects(
      call('GET', '/v3/', undefined, {
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'ALL:@SECLEVEL=0',
      }),
      /alert protocol version|EPROTO|SSL/,
    );
    assert.equal((await call('GET', '/v3/', undefined, { maxVersion: 'TLSv1.2' })).status, 200);
    await assert.rejects(fetch(`http://localhost:${port}/v3/`));
  });

  it('shows a new certificate after SIGHUP, and keeps the old one when the new one is no good', async () => {
    const before = await shown();
    const fresh = await authority.issue();
    const hangUp = () => process.kill(processes.processes.get('api')!.pid!, 'SIGHUP');
    await copyFile(fresh.cert, join(dir, 'api.pem'));
    hangUp();
    await until('it is told', async () => said.some((line) => line.includes('stays the one that it was')));
    assert.equal((await shown()).fingerprint256, before.fingerprint256);
    await copyFile(fresh.key, join(dir, 'api.key'));
    hangUp();
    await until('the new one is shown', async () => (await shown()).fingerprint256 !== before.fingerprint256);
    assert.equal((await call('GET', '/v3/')).status, 200);
  });

  async function shown(): Promise<PeerCertificate> {
    const socket: TLSSocket = connect({ port, host: 'localhost', ca });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerCertificate();
    socket.destroy();
    return certificate;
  }

  it("tells why the image service's certificate is refused", async () => {
    agentEnv['BLOCKYARD_IMAGE_CA'] = stranger.ca;
    await processes.processes.get('storage')!.restart();
    const { status, id } = await fromImage();
    assert.equal(status, 'error');
    const { body } = await call('GET', `/v3/operations?volume_id=${id}`);
    assert.match(
      JSON.stringify(body),
      /self-signed certificate|unable to verify|certificate signature failure/,
    );
  });

  it('says nothing secret in all that', () => {
    const all = said.join('\n');
    assert.doesNotMatch(all, /planted/);
    for (const name of ['REDIS_URL', 'BLOCKYARD_AGENT_KEY'])
      assert.ok(!all.includes(agentEnv[name]!.replace(/^.*:([^@]*)@.*$/, '$1')));
  });
});
