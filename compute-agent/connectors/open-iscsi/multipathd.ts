import { connect, type Socket } from 'node:net';

/** The daemon that joins several paths to one unit. */
export interface Multipathd {
  /** Whether it runs here. */
  runs(): Promise<boolean>;
  /**
   * Has it carry out a command of multipathd(8), for example `show maps`.
   * @throws Error when it refuses, or does not answer within half a minute.
   */
  tell(command: string): Promise<string>;
}

/** In Linux's abstract namespace. Source: multipath-tools libmpathcmd/mpath_cmd.h. */
const SOCKET = '\0/org/kernel/linux/storage/multipathd';
const TIMEOUT_MS = 30_000;
const LENGTH_BYTES = 8;

/**
 * Speaks with the daemon as `multipathd COMMAND` does, without starting that program: length of the text with its final
 * zero (a native 64-bit number), then the text; the answer likewise.
 * Source: multipath-tools libmpathcmd/mpath_cmd.c.
 */
export function multipathd(path: string = SOCKET): Multipathd {
  return {
    async runs() {
      try {
        (await open(path)).destroy();
        return true;
      } catch {
        return false;
      }
    },
    async tell(command) {
      const socket = await open(path);
      try {
        const text = Buffer.from(`${command}\0`);
        const length = Buffer.alloc(LENGTH_BYTES);
        length.writeBigUInt64LE(BigInt(text.length));
        socket.write(Buffer.concat([length, text]));
        const answer = (await receive(socket, command)).trim();
        if (/^(fail|timeout|blacklisted)\b/.test(answer))
          throw new Error(`multipathd: ${command}: ${answer}`);
        return answer;
      } finally {
        socket.destroy();
      }
    },
  };
}

async function open(path: string): Promise<Socket> {
  const socket = connect({ path });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

async function receive(socket: Socket, command: string): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < LENGTH_BYTES) return;
      const end = LENGTH_BYTES + Number(received.readBigUInt64LE());
      if (received.length >= end) resolve(received.subarray(LENGTH_BYTES, end - 1).toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`multipathd: ${command}: no answer`)));
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  });
}
