import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { secrets, targets, virsh } from '#stack/demo/host.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { buildBootableImage } from '#stack/guest/bootable.ts';
import { servicesUp } from '#stack/readiness.ts';
import { Stops } from '#test/chaos/stops.ts';

/** An emulated guest on a busy machine. */
const WITHIN_MS = 120_000;
const VERSIONS = 'volume 3.71, compute 2.79';

// Replies are of every shape; the tests look only at what they are about.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** The whole stack, real from the HTTP request to the guest that boots. */
export class ServerRig implements AsyncDisposable {
  readonly stack: Stack;
  readonly stops: Stops;
  /** A disk image that a PC boots the test guest from. */
  readonly image: string;
  readonly dir: string;

  private constructor(stack: Stack, stops: Stops, image: string, dir: string) {
    this.stack = stack;
    this.stops = stops;
    this.image = image;
    this.dir = dir;
  }

  static async start(): Promise<ServerRig> {
    const dir = await mkdtemp(join(tmpdir(), 'by-s-'));
    const image = await buildBootableImage('.data/cache/guest');
    const stops = new Stops(join(dir, 'stops'));
    const stack = await startStack({
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${name} ${line}\n`),
      env: {
        BLOCKYARD_DOMAIN_TYPE: 'qemu',
        BLOCKYARD_SHUTDOWN_TIMEOUT_S: '40',
        BLOCKYARD_STOPPING_POINTS: stops.folder,
      },
      ready: servicesUp,
    });
    return new ServerRig(stack, stops, image, dir);
  }

  async call(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.stack.adminToken,
        'OpenStack-API-Version': VERSIONS,
        'Content-Type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  compute(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    return this.call(method, `/compute/v2.1${path}`, body);
  }

  /** The image as an image of our Glance. */
  async uploaded(): Promise<string> {
    const { body } = await this.call('POST', '/image/v2/images', {
      name: 'guest',
      disk_format: 'raw',
      container_format: 'bare',
    });
    const stored = await fetch(`${this.stack.apiUrl}/image/v2/images/${body.id}/file`, {
      method: 'PUT',
      headers: {
        'X-Auth-Token': this.stack.adminToken,
        'Content-Type': 'application/octet-stream',
      },
      body: await readFile(this.image),
    });
    assert.equal(stored.status, 204, await stored.text());
    return body.id;
  }

  /** Resolves once the server has this status and nothing is being done to it. */
  async is(id: string, status: string): Promise<Json> {
    return this.until(`server ${status}`, async () => {
      const { server } = (await this.compute('GET', `/servers/${id}`)).body;
      assert.notEqual(server.status, status === 'ERROR' ? '' : 'ERROR', JSON.stringify(server.fault));
      return server.status === status && server['OS-EXT-STS:task_state'] === null ? server : undefined;
    });
  }

  async volumeIs(id: string, status: string): Promise<Json> {
    return this.until(`volume ${status}`, async () => {
      const { volume } = (await this.call('GET', `/v3/${this.stack.project}/volumes/${id}`)).body;
      return volume.status === status ? volume : undefined;
    });
  }

  async gone(path: string): Promise<void> {
    await this.until(`404 of ${path}`, async () =>
      (await this.call('GET', path)).status === 404 ? true : undefined,
    );
  }

  async consoleOf(id: string): Promise<string> {
    const { status, body } = await this.compute('POST', `/servers/${id}/action`, {
      'os-getConsoleOutput': {},
    });
    assert.equal(status, 200, JSON.stringify(body));
    return body.output;
  }

  /** Resolves with the whole console log once the guest has come up so many times. */
  async bootedTimes(id: string, times: number): Promise<string> {
    return this.until(`boot number ${times}`, async () => {
      const text = await this.consoleOf(id);
      return (text.match(/^guest: ready\r?$/gm)?.length ?? 0) >= times ? text : undefined;
    });
  }

  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + WITHIN_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, `not within ${WITHIN_MS / 1_000} s: ${what}`);
      await sleep(100);
    }
  }

  /** kill -9 of the compute agent at this place, and its restart. */
  async killAgentAt(place: Parameters<Stops['arm']>[0], during: () => Promise<unknown>): Promise<void> {
    this.stops.arm(place);
    await during();
    await this.stops.reached(place);
    const agent = this.stack.processes.get('compute')!;
    await agent.kill('SIGKILL');
    this.stops.release();
    agent.start();
  }

  /** No domain, target, secret, console log or volume of any server is on this machine any more. */
  async assertNothingLeft(): Promise<void> {
    const { env, runDir } = this.stack;
    assert.equal((await virsh(env, 'list', '--all', '--name')).trim(), '');
    assert.deepEqual(await secrets(env), []);
    assert.deepEqual(
      (await targets(env)).map(({ name }) => name),
      [],
    );
    assert.deepEqual(await readdir(join(runDir, 'state/compute/consoles')), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
