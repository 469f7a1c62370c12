import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { openDatabase } from '#queues/database.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { type Stack, startStack } from '#stack/environment.ts';

const USERS = 6;
const PAUSE_MS = 20;
const SETTLE_MS = 60_000;
const GIB = { first: 1, grown: 2 };

/** What the API has promised with a 202 (metadata: a 200), whatever happened to it since. */
export interface Load {
  /** Promises so far. */
  readonly accepted: () => number;
  /** Requests that got no promise: refused with a 5xx, or cut off. */
  readonly refused: () => number;
  /** Ends the users and holds the stack to every promise. @returns how many things are as promised. */
  readonly settle: () => Promise<number>;
}

/** What one volume or snapshot was promised to be; what a request that got no answer may have changed is not in it. */
interface Promised {
  readonly kind: 'volumes' | 'snapshots';
  readonly id: string;
  /** Of a snapshot. */
  readonly volume?: string;
  readonly size?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Users who create, copy, grow, label and delete without pause; one that gets no answer tries something else. */
export function startLoad(stack: Stack): Load {
  const base = `${stack.apiUrl}/v3/${stack.project}`;
  const headers = { 'X-Auth-Token': stack.adminToken, 'Content-Type': 'application/json' };
  const call = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${base}/${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(20_000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const there: Promised[] = [];
  const gone: Promised[] = [];
  let accepted = 0;
  let refused = 0;
  const ending = new AbortController();

  /** @returns false when it is refused because of what the volume is at: nothing was promised, and nothing happens to it. */
  async function kept(asked: Promise<Response>): Promise<boolean> {
    const { status } = await asked;
    if (status === 400) return false;
    if (status !== 200 && status !== 202) throw new Error(`HTTP ${status}`);
    accepted += 1;
    return true;
  }

  async function make(kind: Promised['kind'], body: object, promise: Partial<Promised>): Promise<void> {
    const reply = await call('POST', kind, body);
    const made = ((await reply.json()) as Record<string, { id: string } | undefined>)[kind.slice(0, -1)];
    if (reply.status === 400) return;
    if (reply.status !== 202 || made === undefined) throw new Error(`${kind}: ${reply.status}`);
    there.push({ ...promise, kind, id: made.id });
    accepted += 1;
  }

  /** The oldest is one user's alone meanwhile, and the newest afterwards. */
  async function withOldest(
    kind: Promised['kind'],
    act: (oldest: Promised) => Promise<Promised | undefined>,
    unanswered: (oldest: Promised) => Promised | undefined = (oldest) => oldest,
  ): Promise<void> {
    const at = there.findIndex((each) => each.kind === kind);
    const [oldest] = at === -1 ? [] : there.splice(at, 1);
    if (oldest === undefined) return;
    let next = unanswered(oldest);
    try {
      next = await act(oldest);
    } finally {
      if (next !== undefined) there.push(next);
    }
  }

  const create = (): Promise<void> =>
    make('volumes', { volume: { size: GIB.first, name: 'load' } }, { size: GIB.first });
  const remove = (kind: Promised['kind']): Promise<void> =>
    withOldest(
      kind,
      async (oldest) => {
        if (!(await kept(call('DELETE', `${kind}/${oldest.id}`)))) return oldest;
        gone.push(oldest);
        return undefined;
      },
      () => undefined,
    );
  const turns: readonly (() => Promise<void>)[] = [
    create,
    create,
    () => remove('volumes'),
    () =>
      withOldest('volumes', async (volume) => {
        await make('snapshots', { snapshot: { volume_id: volume.id, name: 'load' } }, { volume: volume.id });
        return volume;
      }),
    () =>
      withOldest('volumes', async (volume) => {
        const { size } = volume;
        await make('volumes', { volume: { source_volid: volume.id, name: 'copy' } }, { size });
        return volume;
      }),
    () =>
      withOldest(
        'volumes',
        async (volume) => {
          const grow = call('POST', `volumes/${volume.id}/action`, { 'os-extend': { new_size: GIB.grown } });
          return (await kept(grow)) ? { ...volume, size: GIB.grown } : volume;
        },
        (volume) => ({ ...volume, size: undefined }),
      ),
    () =>
      withOldest(
        'volumes',
        async (volume) => {
          const metadata = { turn: String(accepted) };
          const label = call('PUT', `volumes/${volume.id}/metadata`, { metadata });
          return (await kept(label)) ? { ...volume, metadata } : volume;
        },
        (volume) => ({ ...volume, metadata: undefined }),
      ),
    () => remove('snapshots'),
  ];

  async function user(_: unknown, number: number): Promise<void> {
    for (let turn = number; !ending.signal.aborted; turn++) {
      await turns[turn % turns.length]!().catch(() => {
        refused += 1;
      });
      await sleep(PAUSE_MS);
    }
  }
  const users = Promise.all(Array.from({ length: USERS }, user));

  async function found({ kind, id }: Promised): Promise<Record<string, unknown>> {
    const reply = await call('GET', `${kind}/${id}`);
    if (reply.status === 404) return { status: 'gone' };
    const body = (await reply.json()) as Record<string, Record<string, unknown> | undefined>;
    return body[kind.slice(0, -1)] ?? { status: `HTTP ${reply.status}` };
  }

  async function whatWasDone({ id, volume = id }: Promised): Promise<string> {
    const reply = await call('GET', `operations?volume_id=${volume}`);
    return reply.text();
  }

  async function becomes(promised: Promised, status: string, deadline: number): Promise<void> {
    const { kind, id, size, metadata } = promised;
    const wanted = {
      status,
      ...(status !== 'gone' && { ...(size && { size }), ...(metadata && { metadata }) }),
    };
    for (;;) {
      const now = await found(promised).catch((error: unknown) => ({ status: String(error) }));
      if (isDeepStrictEqual({ ...now, ...wanted }, now)) return;
      if (performance.now() > deadline) {
        const told = Object.fromEntries(
          Object.keys(wanted).map((key) => [key, now[key as keyof typeof now]]),
        );
        assert.fail(
          `${kind} ${id}: ${JSON.stringify(wanted)} was promised, and it is ${JSON.stringify(told)}: ${await whatWasDone(promised)}`,
        );
      }
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
      for (const each of there) await becomes(each, 'available', deadline);
      for (const each of gone) await becomes(each, 'gone', deadline);
      await using db = openDatabase(stack.env['DATABASE_URL']!, { connections: 1 });
      const unfinished = await db
        .selectFrom('operations')
        .select(['id', 'kind', 'state', 'error'])
        .where('state', 'in', [...OPEN_OPERATION_STATES, 'stuck'])
        .execute();
      assert.deepEqual(unfinished, []);
      return there.length + gone.length;
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
