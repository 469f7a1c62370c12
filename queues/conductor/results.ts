import type { Redis } from 'ioredis';
import { eventStream } from '../names.ts';
import { openRedis } from '../redis.ts';

/** How a job on an agent's queue ended. */
export type Result =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly reason: string };

export interface Results {
  /** Listens to one more queue from here on; returns once nothing that happens later can be missed. */
  listen(queue: string): Promise<void>;
  close(): Promise<void>;
}

const BLOCK_MS = 5_000;
const RETRY_MS = 200;
/** Events of one stream that are taken in one go. */
const AT_ONCE = 1_000;

/**
 * Reads BullMQ's event streams of all agents' queues over one connection. BullMQ's own QueueEvents does the same
 * with one connection per queue, which a thousand hosts would make a thousand of. Events are a shortcut only: what
 * is missed here, the dispatcher's check finds.
 */
export function readResults(
  redisUrl: string,
  prefix: string,
  commands: Redis,
  onResult: (queue: string, jobId: string, result: Result) => void,
): Results {
  const reader = openRedis(redisUrl);
  const positions = new Map<string, string>();
  /** Which queue a stream belongs to: an agent writes to its own only, so its events speak for no other's jobs. */
  const queueOf = new Map<string, string>();
  const known = new Map<string, Promise<void>>();
  let readerId: number | undefined;
  const closing = new AbortController();
  let wake = (): void => undefined;

  function take(queue: string, fields: readonly string[]): void {
    let event = '';
    let jobId = '';
    let detail = '';
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const value = fields[index + 1] ?? '';
      switch (fields[index]) {
        case 'event':
          event = value;
          break;
        case 'jobId':
          jobId = value;
          break;
        case 'returnvalue':
        case 'failedReason':
          detail = value;
          break;
        default:
      }
    }
    if (event === 'completed') onResult(queue, jobId, { ok: true, value: detail });
    else if (event === 'failed') onResult(queue, jobId, { ok: false, reason: detail });
  }

  async function read(): Promise<void> {
    const names = [...positions.keys()];
    readerId ??= await reader.client('ID');
    const reply = await reader.xread(
      'COUNT',
      AT_ONCE,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...names,
      ...names.map((name) => positions.get(name) ?? '0'),
    );
    for (const [name, entries] of reply ?? []) {
      for (const [id, fields] of entries) {
        positions.set(name, id);
        take(queueOf.get(name) ?? '', fields);
      }
    }
  }

  async function loop(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        if (positions.size > 0) await read();
        else await new Promise<void>((resolve) => (wake = resolve));
      } catch {
        // Redis is away; a reconnected client has another id.
        readerId = undefined;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async function begin(queue: string): Promise<void> {
    const name = eventStream(prefix, queue);
    queueOf.set(name, queue);
    const [newest] = await commands.xrevrange(name, '+', '-', 'COUNT', 1);
    positions.set(name, newest?.[0] ?? '0');
    wake();
    // The reader is blocked on the streams it knew; let it begin anew with this one among them.
    if (readerId !== undefined) await commands.client('UNBLOCK', readerId);
  }

  const running = loop();
  return {
    async listen(queue) {
      const begun = known.get(queue) ?? begin(queue);
      known.set(queue, begun);
      try {
        await begun;
      } catch (error) {
        known.delete(queue);
        throw error;
      }
    },
    async close() {
      closing.abort();
      wake();
      reader.disconnect();
      await running;
    },
  };
}
