import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '#api/http/send.ts';

const PIECE_BYTES = 256 * 1024;

describe('a reply that is a stream', () => {
  /** What has been sent so far. */
  let pieces: Buffer[] = [];

  /** Sends so many pieces, each full of its number. */
  async function asked(count: number) {
    pieces = [];
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < count; i++) {
          const piece = Buffer.allocUnsafeSlow(PIECE_BYTES).fill(i);
          pieces.push(piece);
          yield piece;
        }
      })(),
      { objectMode: false },
    );
    const headers = { 'Content-Length': String(count * PIECE_BYTES) };
    const server = createServer((_request, response) =>
      send(response, { status: 200, stream: source, headers }, 'req-1', 60_000),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const outgoing = get({ host: '127.0.0.1', port, agent: false });
    const [reply] = (await once(outgoing, 'response')) as [IncomingMessage];
    return {
      source,
      reply,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  it('comes whole, and the memory of each piece is given back', async () => {
    await using sent = await asked(32);
    const body = Buffer.concat(await sent.reply.toArray());
    assert.equal(body.length, 32 * PIECE_BYTES);
    for (let i = 0; i < 32; i++)
      assert.ok(
        body.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES).every((byte) => byte === i),
        `piece ${i}`,
      );
    assert.deepEqual(new Set(pieces.map(({ byteLength }) => byteLength)), new Set([0]));
  });

  it('ends at its source when the client goes', async () => {
    await using sent = await asked(4_000);
    await once(sent.reply, 'readable');
    const closed = new Promise((resolve) => sent.source.once('close', resolve));
    sent.reply.destroy();
    await closed;
    await sleep(50);
    assert.ok(pieces.length < 200, `${pieces.length} pieces were read`);
  });
});
