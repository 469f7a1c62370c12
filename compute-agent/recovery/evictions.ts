import { evictionsChannel } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import type { HostName } from '#schema/ids.ts';
import { evictionsWord } from '#schema/reports.ts';

/**
 * What this host has yet to be rid of, as conductors answer its reports. Only a courtesy: a volume that was taken from this
 * host cannot be logged in to, whoever tries.
 */
export interface PendingEvictions {
  /** Resolves at a conductor's first word in this life of the agent, or after `ms`: a host must come back without conductors, too. */
  heard(ms: number): Promise<void>;
  /** The server has a disk that is about to be taken from it. */
  concerns(serverId: string): boolean;
  /** It has, or had in this life of the agent. */
  concerned(serverId: string): boolean;
  /** That disk is gone. */
  done(serverId: string, volumeId: string): void;
  stop(): void;
}

/** For an agent without a conductor. */
export const NOTHING_PENDING: PendingEvictions = {
  heard: async () => undefined,
  concerns: () => false,
  concerned: () => false,
  done: () => undefined,
  stop: () => undefined,
};

interface Options {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly host: HostName;
  /** Of this agent's reports. */
  readonly bootId: string;
}

/** Listens from now on; make it before the first report is sent. */
export async function listenForEvictions({
  redisUrl,
  prefix,
  host,
  bootId,
}: Options): Promise<PendingEvictions> {
  const words = openRedis(redisUrl);
  const first = Promise.withResolvers<void>();
  let pending = new Set<string>();
  const ever = new Set<string>();
  const key = (serverId: string, volumeId: string): string => `${serverId} ${volumeId}`.toLowerCase();
  words.on('message', (_channel: string, text: string) => {
    const word = evictionsWord.safeParse(parse(text));
    if (!word.success || word.data.bootId !== bootId) return;
    for (const { serverId } of word.data.evictions) ever.add(serverId.toLowerCase());
    pending = new Set(word.data.evictions.map(({ serverId, volumeId }) => key(serverId, volumeId)));
    first.resolve();
  });
  // An account of Redis' that may not listen: then there is nothing to wait for.
  await words.subscribe(evictionsChannel(prefix, host)).catch(() => first.resolve());
  return {
    async heard(ms) {
      const timer = setTimeout(first.resolve, ms);
      await first.promise;
      clearTimeout(timer);
    },
    concerns: (serverId) => [...pending].some((each) => each.startsWith(`${serverId.toLowerCase()} `)),
    concerned: (serverId) => ever.has(serverId.toLowerCase()),
    done: (serverId, volumeId) => void pending.delete(key(serverId, volumeId)),
    stop: () => words.disconnect(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
