import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Kysely, Selectable } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { openDatabase } from '#queues/database.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { OperationsTable, Tables } from '#schema/tables.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { answers, servicesUp } from '#stack/readiness.ts';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';
import { Stops } from './stops.ts';

export type ProcessName = 'api' | 'conductor' | 'storage' | 'compute';

/** How long an operation may take to end after a fault; what is seen is printed. */
export const RECOVERY_MS = 30_000;

/** Tasks in which QEMU says goodbye to a target. */
const LOGS_OUT = new Set<string>(['disk.detach', 'disk.evict', 'server.absent'] satisfies string[]);

/** The whole stack as it runs in production, with real servers and one real guest, for all cells of the matrix. */
export class Rig implements AsyncDisposable {
  readonly stack: Stack;
  readonly stops: Stops;
  readonly db: Kysely<Tables>;
  readonly redis: Redis;
  readonly server: string;
  readonly guest: GuestConsole;
  /** Attached all the time; its data must survive everything. */
  anchor!: Anchor;
  /** One that took the place of the stack's own. */
  #tgtd: TgtdServer | undefined;
  readonly #dir: string;

  private constructor(dir: string, stack: Stack, stops: Stops, server: string, guest: GuestConsole) {
    this.#dir = dir;
    this.stack = stack;
    this.stops = stops;
    this.server = server;
    this.guest = guest;
    this.db = openDatabase(stack.env['DATABASE_URL']!, { connections: 4 });
    this.redis = new Redis(stack.env['REDIS_URL']!, { maxRetriesPerRequest: null }).on(
      'error',
      () => undefined,
    );
  }

  static async start(): Promise<Rig> {
    const dir = await mkdtemp(join(tmpdir(), 'by-f-'));
    const stops = new Stops(join(dir, 'stops'));
    const stack = await startStack({
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${new Date().toISOString()} ${name} ${line}\n`),
      env: { BLOCKYARD_STOPPING_POINTS: stops.folder, BLOCKYARD_DETACH_TIMEOUT_S: '120' },
      ready: servicesUp,
    });
    const [consoleSocket, consoleLog] = [join(dir, 'c.sock'), join(dir, 'c.log')];
    const server = randomUUID();
    const image = await buildGuest('.data/cache/guest');
    const xml = join(dir, 'guest.xml');
    await writeFile(
      xml,
      guestDomainXml({
        ...image,
        name: 'guest',
        uuid: server,
        consoleSocket,
        consoleLog,
        project: stack.project,
      }),
    );
    const uri = stack.env['BLOCKYARD_LIBVIRT_URI']!;
    await systemRunner.run('virsh', ['--connect', uri, `define ${xml}; start guest`]);
    const guest = await GuestConsole.open(consoleSocket, consoleLog);
    await guest.waitFor(/^guest: ready$/m);
    const rig = new Rig(dir, stack, stops, server, guest);
    await rig.until(
      'the server is known',
      async () => (await rig.call('GET', rig.serverPath)).status === 200,
    );
    rig.anchor = await Anchor.attach(rig);
    return rig;
  }

  /** Where the log of all processes is. */
  get logFile(): string {
    return join(this.#dir, 'log');
  }

  get prefix(): string {
    return this.stack.env['BLOCKYARD_QUEUE_PREFIX']!;
  }

  /** The queue of operations and those of both agents. */
  get queues(): string[] {
    const host = this.stack.env['BLOCKYARD_HOST']!;
    return ['operations', `storage.${host}`, `compute.${host}`];
  }

  get serverPath(): string {
    return `/compute/v2.1/servers/${this.server}`;
  }

  get volumesPath(): string {
    return `/v3/${this.stack.project}/volumes`;
  }

  async call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
    // oxlint-disable-next-line typescript/no-explicit-any
  ): Promise<{ status: number; body: any }> {
    const response = await fetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: { 'X-Auth-Token': this.stack.adminToken, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.status < 500, `${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** Resolves once the API can be called. */
  async apiUp(): Promise<void> {
    await answers({ ...this.stack, processes: new Map() });
  }

  create(name: string): Promise<unknown> {
    return this.call('POST', this.volumesPath, { volume: { size: 1, name } });
  }
  attach(volume: string, device?: string): Promise<unknown> {
    return this.call('POST', `${this.serverPath}/os-volume_attachments`, {
      volumeAttachment: { volumeId: volume, ...(device !== undefined && { device }) },
    });
  }
  detach(volume: string): Promise<unknown> {
    return this.call('DELETE', `${this.serverPath}/os-volume_attachments/${volume}`);
  }
  delete(volume: string): Promise<unknown> {
    return this.call('DELETE', `${this.volumesPath}/${volume}`);
  }

  extend(volume: string, gib: number): Promise<unknown> {
    return this.call('POST', `${this.volumesPath}/${volume}/action`, { 'os-extend': { new_size: gib } });
  }

  /** The volume of this name, if there is one. */
  async named(name: string): Promise<Selectable<Tables['volumes']> | undefined> {
    return this.db.selectFrom('volumes').selectAll().where('name', '=', name).executeTakeFirst();
  }

  /** No operation is under way for the volume of this name, or it is gone with the last one. */
  async isResting(name: string): Promise<boolean> {
    const volume = await this.named(name);
    return volume === undefined || volume.operation_id === null;
  }

  /** A volume of this name in that state, from an earlier cell or made now. */
  async volume(status: 'available' | 'in-use', name = 'cell'): Promise<string> {
    await this.apiUp();
    const found = await this.#find(name, status);
    if (found !== undefined) return found;
    if (status === 'in-use') {
      const volume = await this.volume('available', name);
      await this.attach(volume);
    } else await this.create(name);
    await this.until(`a volume is ${status}`, async () => (await this.#find(name, status)) !== undefined);
    return (await this.#find(name, status))!;
  }

  async #find(name: string, status: VolumeStatus): Promise<string | undefined> {
    const select = this.db.selectFrom('volumes').select('id').where('name', '=', name);
    return (await select.where('status', '=', status).where('operation_id', 'is', null).executeTakeFirst())
      ?.id;
  }

  /** The newest operation; ids of operations are random, their volumes' names are not needed. */
  async newest(): Promise<Selectable<OperationsTable> | undefined> {
    return this.db
      .selectFrom('operations')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(1)
      .executeTakeFirst();
  }

  /** kill -9, and the supervisor's restart without its pause. */
  async kill(name: ProcessName): Promise<void> {
    const supervised = this.stack.processes.get(name)!;
    await supervised.kill('SIGKILL');
    supervised.start();
  }

  /** kill -9 of the target, which keeps nothing on disk, and its restart. */
  async crashTgtd(): Promise<void> {
    const tgtd = this.#tgtd ?? this.stack.servers.tgtd!;
    process.kill(tgtd.pid, 'SIGKILL');
    await tgtd.stop();
    const port = Number(this.stack.env['BLOCKYARD_ISCSI_PORTAL']!.split(':')[1]);
    this.#tgtd = await startTgtd({ dir: join(this.stack.runDir, 'tgt'), port });
  }

  /**
   * The same, but not while a guest may be letting go of a disk: QEMU's own initiator freezes for good when its target dies in
   * the middle of a logout (libiscsi 1.19 drops the logout when it reconnects, and QEMU waits for it holding all its locks).
   */
  async crashTgtdBetweenLogouts(): Promise<void> {
    const queue = new Queue(this.queues.at(-1)!, { connection: this.redis, prefix: this.prefix });
    try {
      for (let looks = 0; looks < 200; looks++) {
        const jobs = await queue.getJobs(['active']);
        if (!jobs.some((job) => job !== undefined && LOGS_OUT.has(job.name))) return await this.crashTgtd();
        await sleep(20);
      }
    } finally {
      await queue.close();
    }
  }

  nameOf(pid: number): ProcessName {
    const found = [...this.stack.processes.values()].find((supervised) => supervised.pid === pid);
    assert.ok(found, `process ${pid} is none of ours`);
    return found.name as ProcessName;
  }

  /** How much Redis has written down. */
  async aofBytes(): Promise<number> {
    return (await stat(await this.#aof())).size;
  }

  /** Redis crashes and comes back without what it wrote down since: as after a power cut, or from an older copy. */
  async forgetSince(bytes: number): Promise<void> {
    const file = await this.#aof();
    await this.stack.servers.crashRedis(() => truncate(file, bytes));
  }

  async #aof(): Promise<string> {
    const folder = join(this.stack.runDir, 'redis/appendonlydir');
    const newest = (await readdir(folder))
      .filter((name) => name.endsWith('.incr.aof'))
      .toSorted()
      .at(-1);
    assert.ok(newest !== undefined);
    return join(folder, newest);
  }

  async until(what: string, holds: () => Promise<boolean>, withinMs = RECOVERY_MS): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `not within ${withinMs / 1_000} s: ${what}`);
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stops.release();
    this.redis.disconnect();
    await this.db.destroy();
    await this.guest[Symbol.asyncDispose]();
    await this.stack.stop();
    await this.#tgtd?.stop();
    if (process.env['BLOCKYARD_KEEP'] === undefined) await rm(this.#dir, { recursive: true, force: true });
    else console.log(`kept ${this.#dir}`);
  }
}

/** A volume that the guest uses throughout. */
class Anchor {
  readonly #guest: GuestConsole;
  readonly #disk: string;
  readonly #file: string;
  #words = 0;

  private constructor(guest: GuestConsole, disk: string, file: string) {
    this.#guest = guest;
    this.#disk = disk;
    this.#file = file;
  }

  static async attach(rig: Rig): Promise<Anchor> {
    const volume = await rig.volume('in-use', 'anchor');
    const serial = volume.slice(0, 20);
    const [, disk = ''] = await rig.guest.waitFor(
      new RegExp(`^guest: disk (\\w+) added serial=${serial}`, 'm'),
    );
    const anchor = new Anchor(rig.guest, disk, join(rig.stack.runDir, `volumes/volume-${volume}`));
    await anchor.#write();
    return anchor;
  }

  /** What the guest wrote is on the storage host, and it can read and write on. */
  async verify(): Promise<void> {
    await this.#guest.command(`read ${this.#disk} ${BLOCKS} ${BLOCK}`);
    const file = await open(this.#file);
    const { buffer } = await file.read(Buffer.alloc(BLOCKS * BLOCK), 0, BLOCKS * BLOCK, 0);
    await file.close();
    const word = `word-${this.#words}\n`;
    assert.equal(
      buffer.toString(),
      word.repeat(Math.ceil(buffer.length / word.length)).slice(0, buffer.length),
    );
    await this.#write();
  }

  /** Another word each time, so that no old data passes for new. */
  async #write(): Promise<void> {
    this.#words += 1;
    await this.#guest.command(`write ${this.#disk} ${BLOCKS} ${BLOCK} word-${this.#words}`);
  }
}

const [BLOCKS, BLOCK] = [64, 65_536];
