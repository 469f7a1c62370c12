import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { multipathd } from '#compute-agent/connectors/open-iscsi/multipathd.ts';

/** The daemon's side of its protocol, byte by byte; the daemon itself takes part in the lab. */
async function daemon(path: string, answer: (command: string) => string): Promise<Server> {
  const server = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 8 || received.length < 8 + Number(received.readBigUInt64LE())) return;
      const text = Buffer.from(`${answer(received.subarray(8, -1).toString())}\0`);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      for (const byte of Buffer.concat([length, text])) socket.write(Buffer.from([byte]));
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

describe('multipathd', () => {
  const path = `\0blockyard-test-${randomUUID()}`;

  it('is asked and answers', async () => {
    const commands: string[] = [];
    const server = await daemon(path, (command) => {
      commands.push(command);
      return command.startsWith('del') ? 'fail\n' : 'ok\n';
    });
    const client = multipathd(path);
    assert.equal(await client.runs(), true);
    assert.equal(await client.tell('add map 3600'), 'ok');
    await assert.rejects(client.tell('del map 3600'), /del map 3600: fail/);
    assert.deepEqual(commands, ['add map 3600', 'del map 3600']);
    server.close();
  });

  it('does not run', async () => {
    assert.equal(await multipathd(path).runs(), false);
    await assert.rejects(multipathd(path).tell('show maps'), { code: 'ECONNREFUSED' });
  });
});
