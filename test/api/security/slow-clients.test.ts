/** Clients that take their time, many of them, and others that must not feel it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { asId, type VolumeId } from '#schema/ids.ts';
import { PROJECT, startApi, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';

const TIMEOUT_MS = 600;
const SLOW = 150;

describe('slow clients', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi({ requestTimeoutMs: TIMEOUT_MS });
  });
  after(() => api[Symbol.asyncDispose]());

  /** Opens many connections, has each send a byte of `text` now and then, and tells how many the server let go. */
  async function dribble(text: string): Promise<number> {
    const sockets: Socket[] = [];
    const closed = new Set<Socket>();
    for (let count = 0; count < SLOW; count++) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.on('error', () => undefined).on('close', () => closed.add(socket));
      socket.resume();
      sockets.push(socket);
    }
    const deadline = Date.now() + TIMEOUT_MS * 4;
    for (let at = 0; Date.now() < deadline && closed.size < sockets.length; at++) {
      const piece = at === 0 ? text.slice(0, -200) : text.slice(-200).charAt(at) || 'x';
      for (const socket of sockets) if (text !== '' && !socket.destroyed) socket.write(piece);
      await quick();
      await sleep(50);
    }
    for (const socket of sockets) socket.destroy();
    return closed.size;
  }

  /** Somebody else's request in the meantime. */
  async function quick(): Promise<void> {
    const began = performance.now();
    const response = await heldFetch(`${api.url}/v3/${PROJECT}/volumes`, {
      headers: { 'X-Auth-Token': TOKENS.member },
    });
    await response.text();
    assert.equal(response.status, 200);
    assert.ok(performance.now() - began < 1_500, 'others are kept waiting');
  }

  it('that send nothing are let go', async () => {
    assert.equal(await dribble(''), SLOW);
  });

  it('that send a header byte by byte are let go', async () => {
    assert.equal(await dribble(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(400)}`), SLOW);
  });

  it('that send a body byte by byte are let go', async () => {
    const head = `POST /v3/${PROJECT}/volumes HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${TOKENS.member}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
    assert.equal(await dribble(head + ' '.repeat(300)), SLOW);
  });

  it('that do not read their answer are let go', async function () {
    this.timeout(20_000);
    await manyVolumes(1_000);
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.pause();
    const closed = once(socket, 'close');
    const request = `GET /v3/${PROJECT}/volumes/detail HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${TOKENS.member}\r\n\r\n`;
    // More than all buffers on the way hold.
    socket.on('error', () => undefined);
    for (let count = 0; count < 16; count++) socket.write(request);
    await sleep(TIMEOUT_MS * 5);
    socket.resume();
    await closed;
    assert.deepEqual(api.log, []);
  });

  async function manyVolumes(count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, at) => ({
      id: asId<VolumeId>(`00000000-0000-4000-8000-${String(at).padStart(12, '0')}`),
      project_id: asId<never>(PROJECT),
      user_id: asId<never>('max'),
      name: 'n'.repeat(250),
      description: 'd'.repeat(250),
      size_gib: 1,
      status: 'available' as const,
      availability_zone: 'nova',
      pool: null,
      volume_type_id: null,
      metadata: JSON.stringify(
        Object.fromEntries(Array.from({ length: 20 }, (_, key) => [key, 'v'.repeat(250)])),
      ),
      operation_id: null,
      created_at: '2026-01-01 00:00:00',
      updated_at: null,
    }));
    for (let at = 0; at < count; at += 200) {
      await api.db
        .insertInto('volumes')
        .values(rows.slice(at, at + 200))
        .execute();
    }
  }
});
