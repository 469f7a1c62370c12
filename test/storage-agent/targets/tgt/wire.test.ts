import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exchange, MODE, OP, type TgtRequest } from '#storage-agent/targets/tgt/wire.ts';

const SHOW: TgtRequest = { mode: MODE.target, op: OP.show };
const SECRET = 'planted-secret-1';

describe('tgtd’s protocol', () => {
  let folder: string;
  let server: Server | undefined;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-wire-'));
    path = join(folder, 'socket');
  });
  afterEach(async () => {
    server?.close();
    server = undefined;
    await rm(folder, { recursive: true });
  });

  const serve = async (answer: (socket: Socket) => void): Promise<void> => {
    server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => answer(socket));
    });
    server.listen(path);
    await once(server, 'listening');
  };
  const answerOf = (errno: number, text: string, claimed = text.length): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(errno, 0);
    head.writeUInt32LE(8 + claimed, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it('waits no longer than its deadline', async () => {
    await serve(() => {});
    await assert.rejects(exchange(path, SHOW, 100), /not answered within 100 ms/);
  });

  it('says that nobody listens', async () => {
    await assert.rejects(exchange(path, SHOW, 1_000), /does not listen on/);
  });

  it('reads an answer that comes in pieces', async () => {
    const answer = answerOf(0, 'Target\0');
    await serve((socket) => {
      socket.write(answer.subarray(0, 5));
      setTimeout(() => socket.end(answer.subarray(5)), 20);
    });
    assert.equal(await exchange(path, SHOW, 1_000), 'Target');
  });

  it('does not take half an answer for a whole one', async () => {
    await serve((socket) => socket.end(answerOf(0, 'Target', 100)));
    await assert.rejects(exchange(path, SHOW, 1_000), /cut its answer short/);
  });

  it('does not take silence for an answer', async () => {
    await serve((socket) => socket.end());
    await assert.rejects(exchange(path, SHOW, 1_000), /without an answer/);
  });

  it('never repeats what was asked in an error', async () => {
    const request: TgtRequest = {
      mode: MODE.account,
      op: OP.create,
      params: `user=u,password=${SECRET}`,
    };
    await serve((socket) => socket.end(answerOf(14, '')));
    for (const socket of [path, `${path}x`])
      await assert.rejects(
        exchange(socket, request, 1_000),
        (error: Error) => !`${error.message}${error.stack}`.includes(SECRET),
      );
  });

  it('refuses more than tgtd takes', async () => {
    await assert.rejects(exchange(path, { ...SHOW, params: 'x'.repeat(9_000) }, 1_000), /too long/);
  });
});
