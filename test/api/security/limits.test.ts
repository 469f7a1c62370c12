/** Floods: rate limits against the real server. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import type { Limits } from '#api/limits/settings.ts';
import { OTHER_PROJECT, PROJECT, startApi, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

const LIMITS: Limits = {
  rates: {
    project: { perSecond: 1, burst: 20 },
    unauthenticated: { perSecond: 1, burst: 5 },
    proxies: ['127.0.0.1'],
  },
  connections: { total: 40, perAddress: 1_000, proxies: [] },
};

describe('limits', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await startApi({ limits: LIMITS });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  const ask = async (project: string, token: string | undefined, headers: Record<string, string> = {}) => {
    const response = await heldFetch(`${api.url}/v3/${project}/volumes`, {
      headers: { ...(token !== undefined && { 'X-Auth-Token': token }), ...headers },
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as object };
  };

  it('a project that asks too much is told when to come again; others and administrators go on', async () => {
    const statuses: number[] = [];
    for (let sent = 0; sent < 30; sent++) statuses.push((await ask(PROJECT, TOKENS.member)).status);
    assert.ok(statuses.slice(0, 20).every((status) => status === 200));
    const refused = await ask(PROJECT, TOKENS.member);
    assert.equal(refused.status, 429);
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.match(refused.headers.get('x-openstack-request-id') ?? '', /^req-/);
    assert.deepEqual(Object.keys(refused.body), ['overLimit']);
    // The limit is the project's, not the token's.
    assert.equal((await ask(PROJECT, TOKENS.reader)).status, 429);
    assert.equal((await ask(OTHER_PROJECT, TOKENS.stranger)).status, 200);
    for (let sent = 0; sent < 30; sent++) assert.equal((await ask(PROJECT, TOKENS.admin)).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await ask(PROJECT, TOKENS.member)).status, 200);
  });

  it('what is refused changes nothing, a body or not', async () => {
    for (let sent = 0; sent < 20; sent++) await ask(PROJECT, TOKENS.member);
    const response = await heldFetch(`${api.url}/v3/${PROJECT}/volumes`, {
      method: 'POST',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': 'application/json' },
      body: JSON.stringify({ volume: { size: 1 } }),
    });
    assert.equal(response.status, 429);
    assert.deepEqual(await api.db.selectFrom('volumes').select('id').execute(), []);
  });

  it('an address that guesses tokens is refused before it is looked at, even when it guesses right', async () => {
    const from = (address: string) => ({ 'X-Forwarded-For': `198.51.100.7, ${address}` });
    for (let guess = 0; guess < 5; guess++) {
      assert.equal((await ask(PROJECT, `guess-${guess}`, from('203.0.113.9'))).status, 401);
    }
    const locked = await ask(PROJECT, TOKENS.member, from('203.0.113.9'));
    assert.equal(locked.status, 429);
    assert.ok(locked.headers.get('retry-after'));
    // Nor is another address in what the client itself writes of any help, or any harm to that one.
    const forged = { 'X-Forwarded-For': '198.51.100.8, 203.0.113.9' };
    assert.equal((await ask(PROJECT, TOKENS.member, forged)).status, 429);
    assert.equal((await ask(PROJECT, TOKENS.member, from('203.0.113.10'))).status, 200);
  });

  it('guessing at the login is guessing', async () => {
    const logIn = async (id: string): Promise<number> => {
      const auth = { identity: { methods: ['token'], token: { id } } };
      const response = await heldFetch(`${api.url}/identity/v3/auth/tokens`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ auth }),
      });
      return response.status;
    };
    assert.equal(await logIn(TOKENS.member), 201);
    assert.equal(await logIn(`${TOKENS.member}\r\nX-Injected: 1`), 400);
    for (let guess = 0; guess < 5; guess++) assert.equal(await logIn(`guess-${guess}`), 401);
    assert.equal(await logIn(TOKENS.member), 429);
  });

  it('connections beyond the limit are closed, and there is room again when others have gone', async () => {
    const sockets: Socket[] = [];
    const open = (): Promise<'open' | 'closed'> =>
      new Promise((resolve) => {
        const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
        sockets.push(socket);
        socket.on('error', () => resolve('closed')).on('close', () => resolve('closed'));
        socket.on('connect', () => setTimeout(() => resolve('open'), 200));
        socket.on('data', () => undefined);
      });
    const states = await Promise.all(Array.from({ length: 60 }, open));
    assert.ok(states.filter((state) => state === 'open').length <= 40);
    assert.ok(states.includes('closed'));
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await ask(PROJECT, TOKENS.member)).status, 200);
  });

  it('nobody’s connections from one address take them all', async () => {
    const connections = { total: 40, perAddress: 10, proxies: [] };
    await using narrow = await startApi({ limits: { ...LIMITS, connections } });
    const sockets = Array.from({ length: 20 }, () => connect(Number(new URL(narrow.url).port), '127.0.0.1'));
    const closed = new Set<Socket>();
    for (const socket of sockets) socket.on('error', () => undefined).on('close', () => closed.add(socket));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(closed.size, 10);
    for (const socket of sockets) socket.destroy();
  });
});
