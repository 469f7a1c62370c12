import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** A TCP port on 127.0.0.1 that was free a moment ago; `preferred` if that one is. */
export async function freePort(preferred?: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(preferred ?? 0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch (error) {
    if (preferred === undefined) throw error;
    return await freePort();
  } finally {
    server.close();
  }
}

/**
 * Says `text` to 127.0.0.1:port and resolves with the first bytes that come back.
 * @throws Error when nothing listens or nothing comes within a second.
 */
export async function firstReply(port: number, text = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    if (text !== '') socket.write(text);
    const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(1_000) })) as [Buffer];
    return data.toString('latin1');
  } finally {
    socket.destroy();
  }
}
