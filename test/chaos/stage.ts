import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Kysely, Selectable } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { openDatabase } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type VolumeId } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { OperationsTable, Tables } from '#schema/tables.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { answers, servicesUp } from '#stack/readiness.ts';
import type { LibvirtServer } from '#stack/servers/libvirt.ts';
import { PID_FILES } from '#stack/servers/libvirt-home.ts';
import type { MariadbServer } from '#stack/servers/mariadb.ts';
import { signalProcess } from '#stack/servers/server.ts';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';
import { backendsSetting } from './backends.ts';
import { Stops } from './stops.ts';

export type ProcessName = 'api' | 'conductor' | 'storage' | 'compute';

const VERSIONS = 'volume 3.71, compute 2.79';

/** How long an operation may take to end after a fault; what is seen is printed. */
export const RECOVERY_MS = 30_000;

/** Operations in which QEMU says goodbye to a target; an attach does when it is undone. */
const LETTING_GO = new Set<OperationKind>([
  'volume.detach',
  'volume.force-detach',
  'volume.repair',
  'server.delete',
]);
const LOOKS_AT_MOST = 200;
/** Longer than a host may be silent before it counts as down. */
const SILENT_MS = 1.5 * DOWN_AFTER_S * 1_000;
const ON_ITS_WAY_MS = 300;

interface StageParts {
  readonly dir: string;
  readonly stack: Stack;
  readonly stops: Stops;
  readonly server: string;
  readonly guest: GuestConsole;
}

/** The whole stack as it runs in production, with real servers and one real guest, for all cells of the matrix. */
export class Stage implements AsyncDisposable {
  readonly stack: Stack;
  readonly stops: Stops;
  readonly db: Kysely<Tables>;
  readonly redis: Redis;
  readonly server: string;
  readonly guest: GuestConsole;
  /** These took the place of the stack's own. */
  #tgtd: TgtdServer | undefined;
  #mariadb: MariadbServer | undefined;
  #libvirt: LibvirtServer | undefined;
  readonly #dir: string;

  protected constructor({ dir, stack, stops, server, guest }: StageParts) {
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

  protected static async parts(): Promise<StageParts> {
    const dir = await mkdtemp(join(tmpdir(), 'by-f-'));
    const stops = new Stops(join(dir, 'stops'));
    const stack = await startStack({
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${new Date().toISOString()} ${name} ${line}\n`),
      env: {
        BLOCKYARD_STOPPING_POINTS: stops.folder,
        BLOCKYARD_BACKENDS: backendsSetting(join(dir, 'run')),
        BLOCKYARD_DETACH_TIMEOUT_S: '120',
        BLOCKYARD_SHUTDOWN_TIMEOUT_S: '5',
        BLOCKYARD_DOMAIN_TYPE: 'qemu',
      },
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
    return { dir, stack, stops, server, guest };
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

  /** Of the block storage API. */
  path(rest: string): string {
    return `/v3/${this.stack.project}/${rest}`;
  }

  async call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
    // oxlint-disable-next-line typescript/no-explicit-any
  ): Promise<{ status: number; body: any }> {
    const response = await fetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.stack.adminToken,
        'Content-Type': 'application/json',
        'OpenStack-API-Version': VERSIONS,
      },
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

  async newest(): Promise<Selectable<OperationsTable> | undefined> {
    return this.db
      .selectFrom('operations')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(1)
      .executeTakeFirst();
  }

  async operationCount(): Promise<number> {
    const { count } = await this.db
      .selectFrom('operations')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Those begun after there were so many. */
  async operationsSince(count: number): Promise<Selectable<OperationsTable>[]> {
    const more = (await this.operationCount()) - count;
    return this.db
      .selectFrom('operations')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(Math.max(0, more))
      .execute();
  }

  /** kill -9, and the supervisor's restart without its pause. */
  async kill(name: ProcessName): Promise<void> {
    const supervised = this.stack.processes.get(name)!;
    await supervised.kill('SIGKILL');
    supervised.start();
  }

  /** The compute host falls silent, and as far as MySQL knows a minute goes by. */
  async awayWithCompute(): Promise<void> {
    signalProcess(this.stack.processes.get('compute')!.pid!, 'SIGSTOP');
    const silent = sqlTime(Date.now() - SILENT_MS);
    const services = this.db.updateTable('services').set({ last_seen_at: silent });
    // What it has said last may be on its way yet.
    for (let looks = 0; looks < 2; looks++) {
      await sleep(ON_ITS_WAY_MS);
      await services.where('binary', '=', 'blockyard-compute').execute();
    }
  }
  /** It is back, and has been cleared of what was taken from it. */
  async backWithCompute(): Promise<void> {
    signalProcess(this.stack.processes.get('compute')!.pid!, 'SIGCONT');
    await this.until(
      'the host is cleared',
      async () => (await this.db.selectFrom('evictions').select('id').execute()).length === 0,
      2 * RECOVERY_MS,
    );
  }
  /** The guest's name for a volume's disk. */
  async deviceOf(volume: string): Promise<string> {
    const { mountpoint } = await this.db
      .selectFrom('attachments')
      .select('mountpoint')
      .where('volume_id', '=', asId<VolumeId>(volume))
      .executeTakeFirstOrThrow();
    return mountpoint!.replace('/dev/', '');
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
    for (let looks = 0; looks < LOOKS_AT_MOST; looks++) {
      const open = await this.db
        .selectFrom('operations')
        .select(['kind', 'state'])
        .where('state', 'in', OPEN_OPERATION_STATES)
        .execute()
        .catch(() => null);
      if (
        open?.every(({ kind, state }) => state !== 'undoing' && !LETTING_GO.has(kind as OperationKind)) ===
        true
      )
        return this.crashTgtd();
      await sleep(20);
    }
  }

  /** QEMU's. */
  async guestPid(): Promise<number> {
    for (const folder of PID_FILES) {
      const text = await readFile(join(this.stack.runDir, 'libvirt', folder, 'guest.pid'), 'utf8').catch(
        () => '',
      );
      if (text !== '') return Number(text);
    }
    throw new Error('the guest has no process');
  }

  get tgtdPid(): number {
    return (this.#tgtd ?? this.stack.servers.tgtd!).pid;
  }
  get mariadb(): MariadbServer {
    return this.#mariadb ?? this.stack.servers.mariadb!;
  }
  set mariadb(server: MariadbServer) {
    this.#mariadb = server;
  }
  get libvirt(): LibvirtServer {
    return this.#libvirt ?? this.stack.servers.libvirt!;
  }
  set libvirt(server: LibvirtServer) {
    this.#libvirt = server;
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
    // MySQL may be away, or have hung up on us.
    while (!(await holds().catch((error: unknown) => laterIfAway(error)))) {
      assert.ok(performance.now() < deadline, `not within ${withinMs / 1_000} s: ${what}`);
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stops.release();
    this.redis.disconnect();
    await this.db.destroy();
    await this.guest[Symbol.asyncDispose]();
    await this.#libvirt?.stop();
    await this.stack.stop();
    await this.#tgtd?.stop();
    await this.#mariadb?.stop();
    if (process.env['BLOCKYARD_KEEP'] === undefined) await rm(this.#dir, { recursive: true, force: true });
    else console.log(`kept ${this.#dir}`);
  }
}

function laterIfAway(error: unknown): false {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^(PROTOCOL_|ECONN|EPIPE|ENOENT|ER_SERVER_SHUTDOWN)/.test(code)) return false;
  throw error;
}
