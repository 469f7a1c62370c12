import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '#queues/database.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { type Stack, startStack } from '#stack/environment.ts';

const USERS = 6;
const PAUSE_MS = 20;
const SETTLE_MS = 60_000;

/** What the API has promised with a 202, whatever happened to it since. */
export interface Load {
  /** Promises so far. */
  readonly accepted: () => number;
  /** Requests that got no promise: refused with a 5xx, or cut off. */
  readonly refused: () => number;
  /** Ends the users and holds the stack to every promise. @returns how many it kept. */
  readonly settle: () => Promise<number>;
}

/** Users who create and delete volumes without pause; one that gets no answer tries something else. */
export function startLoad(stack: Stack): Load {
  const volumes = `${stack.apiUrl}/v3/${stack.project}/volumes`;
  const headers = { 'X-Auth-Token': stack.adminToken, 'Content-Type': 'application/json' };
  const call = (method: string, url: string, body?: object): Promise<Response> =>
    fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(20_000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  /** By id; a volume whose deletion got no answer is in neither. */
  const promised = { exists: new Set<string>(), gone: new Set<string>() };
  let accepted = 0;
  let refused = 0;
  const ending = new AbortController();

  async function create(): Promise<void> {
    const reply = await call('POST', volumes, { volume: { size: 1, name: 'load' } });
    const { volume } = (await reply.json()) as { volume?: { id: string } };
    if (reply.status !== 202 || volume === undefined) throw new Error(`create: ${reply.status}`);
    promised.exists.add(volume.id);
    accepted += 1;
  }

  async function remove(id: string): Promise<void> {
    promised.exists.delete(id);
    const reply = await call('DELETE', `${volumes}/${id}`);
    // Still being created: nothing was promised, and nothing happens to it.
    if (reply.status === 400) promised.exists.add(id);
    else if (reply.status === 202) {
      promised.gone.add(id);
      accepted += 1;
    } else throw new Error(`delete: ${reply.status}`);
  }

  async function user(): Promise<void> {
    for (let turn = 0; !ending.signal.aborted; turn++) {
      const [oldest] = promised.exists;
      await (turn % 3 === 2 && oldest !== undefined ? remove(oldest) : create()).catch(() => {
        refused += 1;
      });
      await sleep(PAUSE_MS);
    }
  }
  const users = Promise.all(Array.from({ length: USERS }, user));

  async function statusOf(id: string): Promise<string> {
    const reply = await call('GET', `${volumes}/${id}`);
    if (reply.status === 404) return 'gone';
    const { volume } = (await reply.json()) as { volume?: { status: string } };
    return volume?.status ?? `HTTP ${reply.status}`;
  }

  async function whatWasDone(id: string): Promise<string> {
    const reply = await call('GET', `${stack.apiUrl}/v3/${stack.project}/operations?volume_id=${id}`);
    return reply.text();
  }

  async function becomes(id: string, wanted: string, deadline: number): Promise<void> {
    for (;;) {
      const status = await statusOf(id).catch(String);
      if (status === wanted) return;
      if (performance.now() > deadline)
        assert.fail(`volume ${id} was promised to be ${wanted} and is ${status}: ${await whatWasDone(id)}`);
      await sleep(100);
    }
  }

  return {
    accepted: () => accepted,
    refused: () => refused,
    async settle() {
      ending.abort();
      await users;
      const deadline = performance.now() + SETTLE_MS;
      for (const id of promised.exists) await becomes(id, 'available', deadline);
      for (const id of promised.gone) await becomes(id, 'gone', deadline);
      await using db = openDatabase(stack.env['DATABASE_URL']!, { connections: 1 });
      const unfinished = await db
        .selectFrom('operations')
        .select(['id', 'kind', 'state', 'error'])
        .where('state', 'in', [...OPEN_OPERATION_STATES, 'stuck'])
        .execute();
      assert.deepEqual(unfinished, []);
      return promised.exists.size + promised.gone.size;
    },
  };
}

/** Resolves once the load has been given this many more promises. */
export async function promises(load: Load, more: number, withinMs = SETTLE_MS): Promise<void> {
  const enough = load.accepted() + more;
  const deadline = performance.now() + withinMs;
  while (load.accepted() < enough) {
    assert.ok(
      performance.now() < deadline,
      `not ${more} more requests accepted within ${withinMs / 1_000} s`,
    );
    await sleep(20);
  }
}

/** The processes that make volumes, on files and without guests, with servers of the test's own. */
export function startMakers(runDir: string, env: Readonly<Record<string, string>>): Promise<Stack> {
  return startStack({
    runDir,
    only: ['api', 'conductor', 'storage'],
    target: 'none',
    hypervisor: 'noop',
    log: () => undefined,
    env,
  });
}

/** Asks until it holds; a throw means "not yet". */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds().catch(() => false))) {
    assert.ok(performance.now() < deadline, `not within 30 s: ${what}`);
    await sleep(50);
  }
}
