import { connect, type Socket } from 'node:net';

export interface Wire {
  readonly socket: Socket;
  /** All that came back, once the server has closed or nothing has come for a while. */
  readonly answer: Promise<string>;
}

/** Sends bytes as they are, and nothing that a client's library would make of them. */
export function open(url: string, bytes: string | Buffer = '', quietMs = 1_500): Wire {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  const answer = new Promise<string>((resolve) => {
    const end = (): void => resolve(Buffer.concat(chunks).toString('latin1'));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', end).on('error', end);
    socket.setTimeout(quietMs, () => socket.destroy());
  });
  socket.write(bytes);
  return { socket, answer };
}

/** The status of each answer on the connection. */
export function statusesOf(answer: string): number[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** The names of the headers of the first answer, in lower case. */
export function headersOf(answer: string): string[] {
  const [head = ''] = answer.split('\r\n\r\n');
  return head
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
}
