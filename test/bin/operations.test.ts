import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import { freePort } from '#stack/servers/port.ts';
import { createYard, type Yard } from '#test/support/yard.ts';
import { blockyard } from './blockyard.ts';

const TOKEN = 'token-of-an-admin';

describe('blockyard operations', function () {
  this.timeout(60_000);
  let dir: string;
  let yard: Yard;
  let api: ChildProcess;
  let env: Record<string, string>;
  let volume: VolumeId;
  let created: OperationId;
  let attached: OperationId;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-cli-'));
    yard = await createYard();
    volume = await yard.addVolume('creating', false);
    created = await yard.begin('volume.create', volume, {});
    attached = await yard.begin('volume.attach', volume, { device: null });
    await yard.db
      .updateTable('operations')
      .set({ state: 'undone', ended_at: '2030-01-31 12:00:00.000000', error: 'no room\u001B[31m\nat all' })
      .where('id', '=', created)
      .execute();
    const step = { operation_id: created, host: 'stor1', state: 'done', output: null, error: null } as const;
    await yard.db
      .insertInto('operation_steps')
      .values([
        {
          ...step,
          position: 1,
          name: 'volume',
          direction: 'do',
          attempt: 2,
          state: 'failed',
          error: 'disk full',
          started_at: '2026-01-31 12:00:00.100000',
          ended_at: '2026-01-31 12:00:01.600000',
        },
        {
          ...step,
          position: 2,
          name: 'place',
          direction: 'undo',
          attempt: 1,
          host: 'conductor',
          started_at: '2026-01-31 12:00:01.700000',
          ended_at: '2026-01-31 12:00:01.712000',
        },
      ])
      .execute();

    const tokens = join(dir, 'tokens.json');
    const admin = { token: TOKEN, project_id: 'p1', user_id: 'u1', roles: ['admin'] };
    await writeFile(tokens, JSON.stringify([admin]));
    const listen = `127.0.0.1:${await freePort()}`;
    api = spawn(process.execPath, ['api/main.ts'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        DATABASE_URL: yard.url,
        REDIS_URL: yard.redis.url,
        BLOCKYARD_QUEUE_PREFIX: yard.redis.prefix,
        BLOCKYARD_LISTEN: listen,
        BLOCKYARD_AUTH: 'tokens',
        BLOCKYARD_TOKENS_FILE: tokens,
        BLOCKYARD_SECRET_KEY: randomBytes(32).toString('hex'),
      },
    });
    await once(api.stdout!, 'data');
    env = { BLOCKYARD_URL: `http://${listen}/`, BLOCKYARD_TOKEN: TOKEN };
  });
  after(async () => {
    api?.kill();
    if (api?.exitCode === null) await once(api, 'exit');
    await yard?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it('shows the timeline of one as a table', async () => {
    const { code, stdout, stderr } = await blockyard(['operations', 'show', created], env);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^Operation +${created}$`, 'm'));
    assert.match(stdout, new RegExp(`^Volume +${volume}$`, 'm'));
    assert.match(stdout, /^Kind +volume\.create$/m);
    assert.match(stdout, /^State +undone$/m);
    const table = stdout.slice(stdout.indexOf('STEP')).trimEnd().split('\n');
    assert.deepEqual(
      table.map((line) => line.split(/ {2,}/)),
      [
        ['STEP', 'DIRECTION', 'HOST', 'STATE', 'ATTEMPT', 'START', 'DURATION', 'ERROR'],
        ['volume', 'do', 'stor1', 'failed', '2', '12:00:00.100', '1.5 s', 'disk full'],
        ['place', 'undo', 'conductor', 'done', '1', '12:00:01.700', '12 ms'],
      ],
    );
  });

  it('lets no control character of an error reach the terminal', async () => {
    for (const verb of [['show', created], ['list']]) {
      const { stdout } = await blockyard(['operations', ...verb], env);
      assert.match(stdout, /no room \[31m at all/);
      assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
    }
  });

  it('gives the API’s own answer with --json', async () => {
    const { stdout } = await blockyard(['operations', 'show', created, '--json'], env);
    const { operation } = JSON.parse(stdout);
    assert.equal(operation.id, created);
    assert.equal(operation.steps[0].started_at, '2026-01-31T12:00:00.100000');
    const listed = await blockyard(['operations', 'list', '--json', '--limit', '1'], env);
    assert.equal(JSON.parse(listed.stdout).operations.length, 1);
  });

  it('lists them, the newest first, and only those asked for', async () => {
    const ids = async (...options: string[]): Promise<string[]> => {
      const { code, stdout } = await blockyard(['operations', 'list', ...options], env);
      assert.equal(code, 0);
      return [...stdout.matchAll(/^[0-9a-f-]{36}/gm)].map(([id]) => id);
    };
    assert.deepEqual(await ids(), [attached, created]);
    assert.deepEqual(await ids('--volume', volume), [attached, created]);
    assert.deepEqual(await ids('--volume', '00000000-0000-4000-8000-000000000000'), []);
    assert.deepEqual(await ids('--state', 'undone', '--all-projects'), [created]);
    assert.deepEqual(await ids('--limit', '1'), [attached]);
  });

  it('takes the API’s address from --url first', async () => {
    const { BLOCKYARD_URL = '', ...rest } = env;
    const wrong = { ...rest, BLOCKYARD_URL: 'http://127.0.0.1:1' };
    assert.equal((await blockyard(['operations', 'list', '--url', BLOCKYARD_URL], wrong)).code, 0);
  });

  const failing: [string, string[], Record<string, string>, RegExp][] = [
    ['an unknown id', ['show', 'nope'], {}, /Operation nope could not be found/],
    ['an id that is a path', ['show', '../volumes'], {}, /could not be found/],
    ['a wrong token', ['list'], { BLOCKYARD_TOKEN: 'wrong' }, /BLOCKYARD_TOKEN is missing or wrong/],
    ['no token', ['list'], { BLOCKYARD_TOKEN: '' }, /BLOCKYARD_TOKEN is missing or wrong/],
    ['no API', ['list'], { BLOCKYARD_URL: 'http://127.0.0.1:1' }, /no answer from http:\/\/127\.0\.0\.1:1: /],
    ['a URL that is none', ['list'], { BLOCKYARD_URL: 'localhost' }, /BLOCKYARD_URL is not an http URL/],
    ['a state that is none', ['list', '--state', 'odd'], {}, /state must be one of/],
  ];
  for (const [what, args, changed, message] of failing) {
    it(`${what}: one line, exit code 1`, async () => {
      const { code, stdout, stderr } = await blockyard(['operations', ...args], { ...env, ...changed });
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^blockyard operations: [^\n]+\n$/);
      assert.match(stderr, message);
      assert.ok(!stderr.includes(TOKEN));
    });
  }

  for (const args of [
    [],
    ['show'],
    ['show', 'a', 'b'],
    ['list', 'a'],
    ['list', '--limit', 'x'],
    ['show', '--odd'],
  ]) {
    it(`wrong usage: ${JSON.stringify(args)}`, async () => {
      const { code, stdout, stderr } = await blockyard(['operations', ...args], env);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^blockyard operations: [^\n]+ \(--help shows the usage\)\n$/);
    });
  }

  it('explains itself', async () => {
    const { code, stdout } = await blockyard(['operations', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /BLOCKYARD_TOKEN/);
  });

  it('is not confused by a server that is no Blockyard', async () => {
    const answers = ['<html>', '{}', '[]', '{"operations": 1}', ''];
    let answer = '';
    const server = createServer((_, reply) => reply.end(answer)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (answer of answers) {
      const { code, stderr } = await blockyard(['operations', 'list', '--url', url]);
      assert.equal(code, 1);
      assert.match(stderr, /^blockyard operations: [^\n]+\n$/);
    }
    server.close();
  });
});
