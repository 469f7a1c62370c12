import assert from 'node:assert/strict';
import { connect } from 'node:net';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { checkAnswer, OTHER_PROJECT, startApi, type TestApi, TOKENS } from './support/api.ts';
import { type Drawn, requests, resolve, targetAt } from './support/fuzz/requests.ts';
import { type Seed, seed } from './support/fuzz/seed.ts';

const RUNS = 2_500;
/** Requests after which what they changed is made anew. */
const RESEED_EVERY = 40;
/** Fewer successful changes than this would mean that the requests no longer get in. */
const LEAST_CHANGES = 40;

const TABLES = [
  'volumes',
  'volume_types',
  'qos_specs',
  'attachments',
  'operations',
  'services',
  'servers',
  'snapshots',
  'images',
  'flavors',
] as const;

describe('any request', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  it(`gets an answer in the right shape and changes nothing it should not (${RUNS} requests)`, async function () {
    this.timeout(240_000);
    let [sent, changes] = [0, 0];
    let ids: Seed = {};
    let before = await dump(api);
    await fc.assert(
      fc.asyncProperty(requests, async (drawn) => {
        if (sent++ % RESEED_EVERY === 0) {
          ids = await seed(api);
          before = await dump(api);
        }
        const status = await send(ids, drawn);
        assert.deepEqual(api.log, []);
        const after = await dump(api);
        if (status >= 400) assert.deepEqual(after, before);
        if (after.all !== before.all) changes++;
        const mayTouch = drawn.who === 'admin' || drawn.who === 'stranger';
        if (!mayTouch) assert.equal(after.others, before.others);
        before = after;
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 220_000, markInterruptAsFailure: true },
    );
    assert.ok(changes > LEAST_CHANGES, `only ${changes} requests changed anything`);
  });

  async function send(ids: Seed, drawn: Drawn): Promise<number> {
    const { route } = targetAt(drawn.target);
    const path = resolve(ids, drawn.path);
    const body = drawn.body === null ? null : resolve(ids, drawn.body);
    const response = await fetch(`${api.url}${path}`, {
      method: route.method,
      headers: {
        'X-Auth-Token': TOKENS[drawn.who],
        'OpenStack-API-Version': drawn.version,
        ...(body !== null && { 'Content-Type': drawn.type }),
      },
      body,
    });
    const text = await response.text();
    const { status, headers } = response;
    const answer = { status, headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    checkAnswer(route.method, path, answer, parsed(body));
    return status;
  }

  it('what is not even HTTP gets a 4xx too', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
      fc
        .tuple(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }))
        .map(([path, header]) => Buffer.from(`GET /${path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`)),
      fc.constant(Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const answer = await exchange(new URL(api.url), sent);
        const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
        if (status !== undefined) assert.match(status, /^[234]/, answer);
      }),
      { numRuns: 150 },
    );
    assert.deepEqual(api.log, []);
  });
});

function parsed(sent: string | null): unknown {
  try {
    return sent === null ? undefined : JSON.parse(sent);
  } catch {
    return undefined;
  }
}

/** Everything in the database, and what of it is the other project's. */
async function dump(api: TestApi): Promise<{ readonly all: string; readonly others: string }> {
  const tables = await Promise.all(
    TABLES.map(async (table) => {
      const found = await sql<object>`SELECT * FROM ${sql.table(table)} ORDER BY id`.execute(api.db);
      return found.rows.map((row) => JSON.stringify(row));
    }),
  );
  const rows = tables.flat();
  const others = rows.filter((row) => row.includes(`"project_id":"${OTHER_PROJECT}"`));
  return { all: rows.join('\n'), others: others.join('\n') };
}

function exchange(url: URL, sent: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname, () => socket.end(sent));
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('error', reject);
  });
}
