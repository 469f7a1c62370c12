import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { openDatabase } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { servicesUp } from '#stack/readiness.ts';
import { type LibvirtServer, startLibvirt } from '#stack/servers/libvirt.ts';
import { Stops } from '#test/chaos/stops.ts';

const VERSIONS = 'volume 3.71, compute 2.79';
const WITHIN_MS = 90_000;

/** A hypervisor's guest, as the tests use it. */
export interface Guest extends AsyncDisposable {
  readonly id: string;
  readonly console: GuestConsole;
  xml(...options: string[]): Promise<string>;
  /** Kills its QEMU. */
  kill(): Promise<unknown>;
  state(): Promise<string>;
}

/** The stack, and a second hypervisor beside it: a libvirt and a compute agent of its own. */
export class AwayRig implements AsyncDisposable {
  readonly stack: Stack;
  readonly stops: Stops;
  readonly db: Kysely<Tables>;
  readonly #dir: string;
  #other: { libvirt: LibvirtServer; stop: () => Promise<void> } | undefined;

  private constructor(dir: string, stack: Stack, stops: Stops) {
    this.#dir = dir;
    this.stack = stack;
    this.stops = stops;
    this.db = openDatabase(stack.env['DATABASE_URL']!, { connections: 2 });
  }

  static async start(): Promise<AwayRig> {
    const dir = await mkdtemp(join(tmpdir(), 'by-w-'));
    const stops = new Stops(join(dir, 'stops'));
    const stack = await startStack({
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${new Date().toISOString()} ${name} ${line}\n`),
      env: { BLOCKYARD_STOPPING_POINTS: stops.folder },
      ready: servicesUp,
    });
    return new AwayRig(dir, stack, stops);
  }

  get host(): string {
    return this.stack.env['BLOCKYARD_HOST']!;
  }

  /** Starts the second hypervisor, called `other`. */
  async startOther(): Promise<void> {
    const libvirt = await startLibvirt({ dir: join(this.#dir, 'l2'), cacheDir: '.data/cache/libvirt' });
    const agent = spawn(process.execPath, ['compute-agent/main.ts'], {
      env: {
        ...process.env,
        ...this.stack.env,
        BLOCKYARD_HOST: 'other',
        BLOCKYARD_STATE_DIR: join(this.#dir, 'other'),
        BLOCKYARD_INITIATOR_NAME: 'iqn.2010-10.org.blockyard:host:other',
        BLOCKYARD_LIBVIRT_URI: libvirt.uri,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    agent.stderr.on('data', (text: Buffer) =>
      appendFileSync(join(this.#dir, 'log'), `other ${text.toString()}`),
    );
    const stop = async (): Promise<void> => {
      const exited = once(agent, 'exit');
      agent.kill('SIGKILL');
      await exited;
      await libvirt.stop();
    };
    this.#other = { libvirt, stop };
  }

  /** Starts a guest on the stack's hypervisor, or on the other, and waits until the API knows it. */
  async guest(name: string, on: 'first' | 'other' = 'first'): Promise<Guest> {
    const uri = on === 'first' ? this.stack.env['BLOCKYARD_LIBVIRT_URI']! : this.#other!.libvirt.uri;
    const [consoleSocket, consoleLog] = [join(this.#dir, `${name}.s`), join(this.#dir, `${name}.log`)];
    const id = randomUUID();
    const image = await buildGuest('.data/cache/guest');
    const file = join(this.#dir, `${name}.xml`);
    const about = { name, uuid: id, consoleSocket, consoleLog, project: this.stack.project };
    await writeFile(file, guestDomainXml({ ...image, ...about }));
    const virsh = async (...args: string[]): Promise<string> =>
      (await systemRunner.run('virsh', ['--quiet', '--connect', uri, ...args], { timeoutMs: 60_000 })).stdout;
    await virsh('define', file);
    await virsh('start', name);
    const console = await GuestConsole.open(consoleSocket, consoleLog);
    await console.waitFor(/^guest: ready$/m);
    await this.until(
      'the server is known',
      async () => (await this.compute('GET', `/servers/${id}`)).status === 200,
    );
    return {
      id,
      console,
      xml: (...options) => virsh('dumpxml', id, ...options),
      kill: () => virsh('destroy', id),
      state: async () => (await virsh('domstate', id)).trim(),
      [Symbol.asyncDispose]: () => console[Symbol.asyncDispose](),
    };
  }

  // Replies are of every shape; the tests look only at what they are about.
  // oxlint-disable-next-line typescript/no-explicit-any
  async call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
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

  compute(method: string, path: string, body?: object) {
    return this.call(method, `/compute/v2.1${path}`, body);
  }
  volumes(method: string, path: string, body?: object) {
    return this.call(method, `/v3/${this.stack.project}/volumes${path}`, body);
  }
  attach(guest: Guest, volume: string) {
    return this.compute('POST', `/servers/${guest.id}/os-volume_attachments`, {
      volumeAttachment: { volumeId: volume },
    });
  }
  detach(guest: Guest, volume: string) {
    return this.compute('DELETE', `/servers/${guest.id}/os-volume_attachments/${volume}`);
  }
  forceDetach(volume: string) {
    return this.volumes('POST', `/${volume}/action`, { 'os-force_detach': {} });
  }

  async newVolume(): Promise<string> {
    const { body } = await this.volumes('POST', '', { volume: { size: 1 } });
    await this.volumeIs(body.volume.id, 'available');
    return body.volume.id;
  }

  async volumeIs(id: string, status: string): Promise<void> {
    await this.until(`volume ${status}`, async () => {
      const { volume } = (await this.volumes('GET', `/${id}`)).body;
      assert.ok(!volume.status.includes('error'), JSON.stringify(await this.operations(id)));
      return volume.status === status;
    });
  }

  /** The volume's operations, newest first, as the API shows them. */
  async operations(volume: string) {
    return (await this.call('GET', `/v3/${this.stack.project}/operations?volume_id=${volume}`)).body
      .operations;
  }

  /** The guest's name for the volume's disk, once it has seen it. */
  async diskOf(guest: Guest, volume: string): Promise<string> {
    const pattern = new RegExp(`^guest: disk (\\w+) added serial=${volume.slice(0, 20)}`, 'm');
    return (await guest.console.waitFor(pattern))[1]!;
  }

  /** What the storage host has of the volume's first so many bytes. */
  async sum(volume: string, bytes: number): Promise<string> {
    await using file = await open(join(this.stack.runDir, `volumes/volume-${volume}`));
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return createHash('sha256').update(buffer).digest('hex');
  }

  /** A minute goes by without a word of this agent, as far as MySQL knows; it must be dead. */
  async silent(kind: 'storage' | 'compute', forS = 61): Promise<void> {
    await this.db
      .updateTable('services')
      .set({ last_seen_at: sqlTime(Date.now() - forS * 1_000) })
      .where('binary', '=', `blockyard-${kind}`)
      .where('agent', '=', this.host as never)
      .execute();
  }

  async until(what: string, holds: () => Promise<boolean>, withinMs = WITHIN_MS): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `not within ${withinMs / 1_000} s: ${what}`);
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stops.release();
    await this.db.destroy();
    await this.#other?.stop();
    await this.stack.stop();
    if (process.env['BLOCKYARD_KEEP'] === undefined) await rm(this.#dir, { recursive: true, force: true });
    else console.log(`kept ${this.#dir}`);
  }
}
