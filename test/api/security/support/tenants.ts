import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import { CINDER_BINARIES } from '#schema/services.ts';
import type { Tables } from '#schema/tables.ts';
import { type Stack, type StackOptions, startStack } from '#stack/environment.ts';
import { answers } from '#stack/readiness.ts';
import { eventually } from '#test/api/support/hosts.ts';
import { heldFetch } from '../../support/held-fetch.ts';

const USERS = {
  admin: { token: 'token-of-admin', project_id: 'operators', user_id: 'ada', roles: ['admin'] },
  alice: { token: 'token-of-alice', project_id: 'a11ce', user_id: 'alice', roles: ['member'] },
  bob: { token: 'token-of-bob', project_id: 'b0b', user_id: 'bob', roles: ['member'] },
} as const;
export type User = keyof typeof USERS;

// Replies are of every shape; the tests look only at what they are about.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** The real processes, with two tenants and an operator. */
export class Tenants implements AsyncDisposable {
  readonly stack: Stack;
  readonly dir: string;
  readonly db: Kysely<Tables>;

  private constructor(stack: Stack, dir: string) {
    this.stack = stack;
    this.dir = dir;
    this.db = openDatabase(stack.env['DATABASE_URL'] ?? '', { connections: 2 });
  }

  static async start(options: Pick<StackOptions, 'only' | 'target' | 'hypervisor'>): Promise<Tenants> {
    const dir = await mkdtemp(join(tmpdir(), 'by-t-'));
    const tokens = join(dir, 'tokens.json');
    await writeFile(tokens, JSON.stringify(Object.values(USERS)), { mode: 0o600 });
    const stack = await startStack({
      ...options,
      runDir: join(dir, 'run'),
      log: (name, line) => appendFileSync(join(dir, 'log'), `${name} ${line}\n`),
      env: { BLOCKYARD_TOKENS_FILE: tokens },
      ready: answers,
    });
    const tenants = new Tenants(stack, dir);
    const wanted = (options.only ?? []).filter((name) => name !== 'api');
    await eventually(async () => {
      const { body } = await tenants.volume('admin', 'GET', '/os-services');
      for (const name of wanted) {
        assert.ok(
          body.services.some(
            (one: Json) =>
              one.binary === CINDER_BINARIES[`blockyard-${name}` as keyof typeof CINDER_BINARIES] &&
              one.state === 'up',
          ),
          name,
        );
      }
    }, 60_000);
    return tenants;
  }

  async call(
    as: User,
    method: string,
    path: string,
    body?: object | Buffer,
  ): Promise<{ readonly status: number; readonly body: Json }> {
    const bytes = Buffer.isBuffer(body);
    const response = await heldFetch(`${this.stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': USERS[as].token,
        'OpenStack-API-Version': 'volume 3.71, compute 2.89',
        ...(body !== undefined && {
          'Content-Type': bytes ? 'application/octet-stream' : 'application/json',
        }),
      },
      body: body === undefined ? null : bytes ? new Uint8Array(body) : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  volume(as: User, method: string, path: string, body?: object): ReturnType<Tenants['call']> {
    return this.call(as, method, `/v3/${USERS[as].project_id}${path}`, body);
  }

  async newVolume(as: User, wanted: object = {}): Promise<string> {
    const { status, body } = await this.volume(as, 'POST', '/volumes', { volume: { size: 1, ...wanted } });
    assert.equal(status, 202, JSON.stringify(body));
    await this.volumeIs(as, body.volume.id, 'available');
    return body.volume.id;
  }

  async volumeIs(as: User, id: string, status: string): Promise<Json> {
    return eventually(async () => {
      const { body } = await this.volume(as, 'GET', `/volumes/${id}`);
      assert.equal(body.volume.status, status);
      return body.volume;
    }, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    await this.stack.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
