import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { virsh } from '#stack/demo/host.ts';
import { type Stack, type StackOptions, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';

/** All of Blockyard's processes over a real tgtd and libvirt, with a server that is switched off. */
export class SecretYard implements AsyncDisposable {
  readonly stack: Stack;
  readonly server: string;
  readonly db: Kysely<Tables>;

  private constructor(stack: Stack, server: string) {
    this.stack = stack;
    this.server = server;
    this.db = openDatabase(stack.env['DATABASE_URL']!, { connections: 1 });
  }

  /** @param server one that an earlier yard in the same folder has made. */
  static async start(options: StackOptions, server?: string): Promise<SecretYard> {
    const stack = await startStack({ ...options, ready: servicesUp });
    const yard = new SecretYard(stack, server ?? randomUUID());
    if (server === undefined) await yard.#define();
    await yard.until('the server is known', async () => (await yard.call('GET', yard.#serverPath)).ok);
    return yard;
  }

  async #define(): Promise<void> {
    const file = join(this.stack.runDir, 'domain.xml');
    await writeFile(
      file,
      `<domain type='qemu'><name>off</name><uuid>${this.server}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<metadata><by:instance xmlns:by='https://blockyard.dev/xmlns/1' project='${this.stack.project}'/></metadata>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>`,
    );
    await virsh(this.stack.env, 'define', file);
  }

  get #serverPath(): string {
    return `/compute/v2.1/servers/${this.server}`;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ ok: boolean; status: number; text: string }> {
    const response = await fetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.stack.adminToken,
        'OpenStack-API-Version': 'volume 3.67',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { ok: response.ok, status: response.status, text: await response.text() };
  }

  async volume(more: object = {}): Promise<VolumeId> {
    const made = await this.call('POST', '/v3/volumes', { volume: { size: 1, ...more } });
    assert.equal(made.status, 202, made.text);
    const { volume } = JSON.parse(made.text) as { volume: { id: VolumeId } };
    await this.becomes(volume.id, 'available');
    return volume.id;
  }
  attachRequest(id: string, device?: string): Promise<{ ok: boolean; text: string }> {
    return this.call('POST', `${this.#serverPath}/os-volume_attachments`, {
      volumeAttachment: { volumeId: id, ...(device === undefined ? {} : { device }) },
    });
  }
  async attach(id: string): Promise<void> {
    const asked = await this.attachRequest(id);
    assert.ok(asked.ok, asked.text);
    await this.becomes(id, 'in-use');
  }
  async detach(id: string): Promise<void> {
    const asked = await this.call('DELETE', `${this.#serverPath}/os-volume_attachments/${id}`);
    assert.ok(asked.ok, asked.text);
    await this.becomes(id, 'available');
  }
  async delete(id: string): Promise<void> {
    assert.equal((await this.call('DELETE', `/v3/volumes/${id}`)).status, 202);
    await this.until(`${id} is gone`, async () => (await this.#row(id)) === undefined);
  }

  #row(id: string) {
    return this.db
      .selectFrom('volumes')
      .select(['status', 'operation_id'])
      .where('id', '=', id as VolumeId)
      .executeTakeFirst();
  }
  async becomes(id: string, status: string): Promise<void> {
    await this.until(`${id} is ${status}`, async () => {
      const row = await this.#row(id);
      return row?.status === status && row.operation_id === null;
    });
  }
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `not within a minute: ${what}`);
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    await this.stack.stop();
  }
}
