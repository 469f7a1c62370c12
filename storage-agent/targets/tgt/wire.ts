import { connect } from 'node:net';
import { endianness } from 'node:os';

/**
 * tgtd's management protocol: one request and one answer per Unix-socket connection. Layout and numbers are those of
 * `usr/tgtadm.h` and `usr/tgtadm_error.h` of tgt (github.com/fujita/tgt), unchanged from 1.0.85 to 1.0.97; integers are
 * in the host's byte order.
 */
export const OP = {
  create: 0,
  delete: 1,
  show: 2,
  bind: 3,
  unbind: 4,
  update: 5,
} as const;

export const MODE = {
  target: 1,
  device: 2,
  connection: 6,
  account: 7,
} as const;

export interface TgtRequest {
  readonly mode: (typeof MODE)[keyof typeof MODE];
  readonly op: (typeof OP)[keyof typeof OP];
  /** Target number; default -1, all targets. */
  readonly tid?: number;
  /** Session number. */
  readonly sid?: number;
  /** Connection number within the session. */
  readonly cid?: number;
  readonly lun?: number;
  /** `name=value,…`; may hold a secret, and is therefore never part of an error. */
  readonly params?: string;
}

/** Answers that callers tell apart. */
export const TGT_ERRNO = {
  noTarget: 4,
  noLun: 5,
  noSession: 6,
  noConnection: 7,
  targetExists: 9,
  aclExists: 12,
  noAcl: 13,
  userExists: 14,
  noUser: 15,
} as const;

const MEANINGS: Readonly<Record<number, string>> = {
  1: 'unknown error',
  2: 'out of memory',
  3: 'the iscsi driver is not there',
  4: 'no such target',
  5: 'no such logical unit',
  6: 'no such session',
  7: 'no such connection',
  8: 'no such binding',
  9: 'the target exists already',
  10: 'the logical unit exists already',
  12: 'the access rule exists already',
  13: 'no such access rule',
  14: 'the account exists already',
  15: 'no such account',
  16: 'too many accounts',
  17: 'invalid request',
  19: 'the target is active',
  20: 'the logical unit is active',
  22: 'unsupported operation',
  23: 'unknown parameter',
  24: 'removal is prevented',
};

/** tgtd said no. */
export class TgtError extends Error {
  override readonly name = 'TgtError';
  readonly errno: number;

  constructor(errno: number) {
    super(`tgtd answered: ${MEANINGS[errno] ?? `error ${errno}`}`);
    this.errno = errno;
  }
}

const REQUEST_BYTES = 120;
const ANSWER_BYTES = 8;
/** tgtd takes no longer parameters (`MAX_MGT_BUFSIZE`, usr/mgmt.c). */
const MAX_PARAMS_BYTES = 8 * 1024;
const LITTLE = endianness() === 'LE';

function encode(request: TgtRequest): Buffer {
  const params = request.params === undefined ? Buffer.alloc(0) : Buffer.from(`${request.params}\0`);
  if (params.length > MAX_PARAMS_BYTES) throw new Error('the parameters are too long for tgtd');
  const buffer = Buffer.alloc(REQUEST_BYTES);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  view.setUint32(0, request.mode, LITTLE);
  view.setUint32(4, request.op, LITTLE);
  buffer.write('iscsi', 8, 'latin1');
  view.setUint32(72, REQUEST_BYTES + params.length, LITTLE);
  view.setInt32(76, request.tid ?? -1, LITTLE);
  view.setBigUint64(80, BigInt(request.sid ?? 0), LITTLE);
  view.setBigUint64(88, BigInt(request.lun ?? 0), LITTLE);
  view.setUint32(96, request.cid ?? 0, LITTLE);
  return Buffer.concat([buffer, params]);
}

function decode(answer: Buffer): string {
  if (answer.length < ANSWER_BYTES) throw new Error('tgtd closed the connection without an answer');
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const errno = view.getUint32(0, LITTLE);
  if (errno !== 0) throw new TgtError(errno);
  if (answer.length < view.getUint32(4, LITTLE)) throw new Error('tgtd cut its answer short');
  return answer.subarray(ANSWER_BYTES).toString('utf8').replace(/\0+$/, '');
}

/**
 * Sends one request to tgtd and resolves with its text.
 * @param socketPath for example `/var/run/tgtd/socket.0`; tgtd talks to its own user and group only.
 * @throws TgtError when tgtd refuses; Error when it cannot be reached or has not answered within `deadlineMs`.
 */
export function exchange(socketPath: string, request: TgtRequest, deadlineMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const message = encode(request);
    const chunks: Buffer[] = [];
    const socket = connect(socketPath);
    const timer = setTimeout(() => {
      socket.destroy(new Error(`tgtd has not answered within ${deadlineMs} ms`));
    }, deadlineMs);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('error', (error) => reject(unreachable(error, socketPath)));
    socket.once('close', (failed) => {
      clearTimeout(timer);
      if (failed) return;
      try {
        resolve(decode(Buffer.concat(chunks)));
      } catch (error) {
        reject(error instanceof Error ? error : new Error('tgtd’s answer cannot be read'));
      }
    });
    socket.write(message);
  });
}

function unreachable(error: Error & { code?: string }, socketPath: string): Error {
  if (error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED') return error;
  return new Error(`tgtd does not listen on ${socketPath} (is it running?)`);
}
