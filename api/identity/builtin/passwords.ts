import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { ApiError } from '#api/http/errors.ts';

/** OWASP's parameters for argon2id (RFC 9106): 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const TAG_BYTES = 32;
/** As many as hash at once leave half of the processors, and of libuv's threads, to everybody else. */
const AT_ONCE = Math.max(1, Math.min(2, Math.floor(availableParallelism() / 2)));
/** At 30 ms each: who comes behind them would have given up anyway. */
const MOST_WAITING = 100;

/** Hashes of passwords in PHC's form, `$argon2id$v=19$m=…,t=…,p=…$salt$tag`. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #decoy: Promise<string> | undefined;

  /** @throws ApiError 503 when too many others wait. */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password));
  }

  /**
   * Whether the password is the one that was hashed. With no hash it takes as long and is false. Call it in turn.
   */
  async matches(password: string, hashed: string | null): Promise<boolean> {
    const matching = await verify(password, hashed ?? (await (this.#decoy ??= hash(''))));
    return hashed !== null && matching;
  }

  /**
   * Few hash at a time, off the event loop, and not without end: a flood of logins costs those who log in, and nobody else.
   * @throws ApiError 503 when too many others wait.
   */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= MOST_WAITING)
        throw new ApiError(503, 'Too many are logging in. Try again later.', { 'Retry-After': '2' });
      await new Promise<void>((admitted) => this.#waiting.push(admitted));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

async function hash(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await derive(password, salt, TAG_BYTES, COST);
  const { memory, passes, parallelism } = COST;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

async function verify(password: string, hashed: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', tag = ''] = PHC.exec(hashed) ?? [];
  if (memory === undefined) throw new Error('a password in MySQL is not an argon2id hash');
  const expected = Buffer.from(tag, 'base64');
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const found = await derive(password, Buffer.from(salt, 'base64'), expected.length, cost);
  return timingSafeEqual(found, expected);
}

function derive(message: string, nonce: Buffer, tagLength: number, cost: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message, nonce, tagLength, ...cost }, (error, tag) =>
      error === null ? resolve(tag) : reject(error),
    );
  });
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
