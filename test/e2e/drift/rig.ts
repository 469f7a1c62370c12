import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import type { Tables } from '#schema/tables.ts';
import { virsh } from '#stack/demo/host.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { servicesUp } from '#stack/readiness.ts';
import { createTgtClient, type TgtClient } from '#storage-agent/targets/tgt/client.ts';

const WITHIN_MS = 60_000;

// Replies are of every shape; the tests look only at what they are about.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

/** One difference as the API tells it. */
export interface Told {
  readonly id: string;
  readonly kind: string;
  readonly care: string;
  readonly cause: string | null;
  readonly operation_id: string | null;
  readonly volume_id: string | null;
}

/**
 * The whole stack with files, tgt, libvirt and one guest that is paused: its disks are plugged in all the same, and it costs
 * no processor time.
 */
export class DriftRig implements AsyncDisposable {
  readonly stack: Stack;
  readonly db: Kysely<Tables>;
  readonly tgt: TgtClient;
  readonly server: string;
  readonly dir: string;

  private constructor(stack: Stack, server: string, dir: string) {
    this.stack = stack;
    this.server = server;
    this.dir = dir;
    this.db = openDatabase(stack.env['DATABASE_URL']!, { connections: 2 });
    this.tgt = createTgtClient(stack.env['BLOCKYARD_TGT_SOCKET']!);
  }

  static async start(auth: 'none' | 'tokens' = 'tokens'): Promise<DriftRig> {
    const dir = await mkdtemp(join(tmpdir(), 'by-d-'));
    const stack = await startStack({
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${name} ${line}\n`),
      ready: servicesUp,
      auth,
    });
    const server = randomUUID();
    const rig = new DriftRig(stack, server, dir);
    const image = await buildGuest('.data/cache/guest');
    const [consoleSocket, consoleLog] = [join(dir, 'c.sock'), join(dir, 'c.log')];
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
    await rig.virsh('define', xml);
    await rig.virsh('start', server, '--paused');
    await rig.until('the server is known', async () =>
      (await rig.call('GET', rig.serverPath)).status === 200 ? true : undefined,
    );
    return rig;
  }

  get serverPath(): string {
    return `/compute/v2.1/servers/${this.server}`;
  }

  virsh(...args: string[]): Promise<string> {
    return virsh(this.stack.env, ...args);
  }

  /** The file of a volume. */
  file(name: string): string {
    return join(this.stack.runDir, 'volumes', name);
  }

  async call(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.stack.adminToken,
        'OpenStack-API-Version': 'volume 3.71, compute 2.89',
        'Content-Type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.status < 500, `${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  v3(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    return this.call(method, `/v3/${this.stack.project}${path}`, body);
  }

  async volume(name: string): Promise<string> {
    const { body } = await this.v3('POST', '/volumes', { volume: { size: 1, name } });
    await this.volumeIs(body.volume.id, 'available');
    return body.volume.id;
  }

  async attach(volume: string): Promise<void> {
    await this.call('POST', `${this.serverPath}/os-volume_attachments`, {
      volumeAttachment: { volumeId: volume },
    });
    await this.volumeIs(volume, 'in-use');
  }

  async volumeIs(id: string, status: string): Promise<void> {
    await this.until(`volume ${status}`, async () => {
      const { volume } = (await this.v3('GET', `/volumes/${id}`)).body;
      return volume.status === status ? volume : undefined;
    });
  }

  /** What differs now. Every host must answer. */
  async drift(): Promise<Told[]> {
    const { status, body } = await this.v3('GET', '/drift');
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.unknown, []);
    return body.differences;
  }

  /** Repairs what must be found. @returns the repair's answer. */
  async repair(id: string, more: object = {}): Promise<Json> {
    const { status, body } = await this.v3('POST', '/drift/repair', { item: id, ...more });
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  /** `blockyard …` as an operator types it. */
  cli(...args: string[]): Promise<{ code: number; text: string }> {
    const env = { ...process.env, BLOCKYARD_URL: this.stack.apiUrl, BLOCKYARD_TOKEN: this.stack.adminToken };
    return new Promise((resolve) => {
      execFile(process.execPath, ['bin/main.ts', ...args], { env }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
      );
    });
  }

  async until<T>(what: string, holds: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + WITHIN_MS;
    for (;;) {
      const found = await holds();
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, `not within ${WITHIN_MS / 1_000} s: ${what}`);
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    await this.virsh('destroy', this.server).catch(() => undefined);
    await this.stack.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
