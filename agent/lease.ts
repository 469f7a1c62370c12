import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { systemClock } from '#queues/system.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import type { Machine } from './machine.ts';

/** Milliseconds; tests have less of them. */
export interface LeaseTimes {
  /** So long a lease lasts, and so long another machine must have said nothing before its name is taken from it. */
  readonly lasts: number;
  /** The same for what may have been this machine before it was started anew. */
  readonly missed: number;
  /** Between renewals: several in `missed`. */
  readonly renew: number;
  /** Between looks at a lease of another's. */
  readonly look: number;
}

export interface LeaseOptions {
  readonly redis: Redis;
  /** Where the lease on this agent's name is kept. */
  readonly key: string;
  /** The agent, as messages call it. */
  readonly agent: string;
  readonly machine: Machine;
  readonly times?: LeaseTimes | undefined;
  /** Called with the reason while another machine has the name. */
  readonly onWait?: ((reason: string) => void) | undefined;
  readonly log: (line: string) => void;
}

/** That this machine is the one which works under an agent's name. */
export interface Lease {
  /** Resolves with the reason when another machine has the name: this one must do nothing more in it. */
  readonly lost: Promise<string>;
  /** False once another has it. Asks Redis only after a silence of its own in which another may have taken over. */
  sure(): Promise<boolean>;
  /** Gives the name up, so that another machine need not wait. */
  release(): Promise<void>;
}

/** A thousand agents that renew so often cost Redis 1.4 % of a core. */
const TIMES: LeaseTimes = { lasts: DOWN_AFTER_S * 1_000, missed: 8_000, renew: 3_000, look: 1_000 };
/** A look that comes later than this, or whose answer does, was kept by something that may have kept the other's renewals too. */
const LATE_MS = 2_000;
/** Looks between two words about waiting. */
const TELL_EVERY = 60;

/**
 * KEYS: the lease. ARGV: how a lease of this boot of this machine begins, the lease to be, its milliseconds, and a lease of
 * another's that may be overwritten. Returns the lease that is in the way.
 */
const CLAIM = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[4] and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false`;

/** KEYS: the lease. ARGV: how a lease of this boot of this machine begins. */
const RELEASE = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/**
 * Takes the lease on an agent's name: at once where nobody has it, or this machine since it was booted (an agent of it that has
 * died). Where another machine has it, this waits and says so. What is had is renewed until it is lost or given up, also where Redis has forgotten it. A machine that has been seen at work is gone only when it has been
 * silent for long enough while it could have been heard: a Redis that was emptied, or away, says nothing about it.
 */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { redis, key, agent, machine, log, times = TIMES } = options;
  const mine = `${machine.id} ${machine.boot} `;
  const since = new Date(systemClock.now()).toISOString();
  const lost = Promise.withResolvers<string>();
  let over = false;
  let renewals = 0;
  let renewedAt = 0;

  /** @returns the lease that is in the way. */
  async function claim(former = ''): Promise<string | null> {
    const askedAt = performance.now();
    // The count makes each renewal another text, which is how a machine that waits sees it.
    renewals += 1;
    const text = `${mine}${since} ${renewals} ${machine.name.replaceAll(/[^\w.-]/g, '_')}`;
    const held = (await redis.eval(CLAIM, 1, key, mine, text, times.lasts, former)) as string | null;
    if (held === null) renewedAt = askedAt;
    return held;
  }

  /** @returns false once another has it. */
  async function renew(): Promise<boolean> {
    if (over) return false;
    const held = await claim();
    if (held === null) return true;
    over = true;
    lost.resolve(
      `BLOCKYARD_HOST: ${agent} is the agent of ${told(held)} by now, so this machine (${machine.name}) takes no more of its tasks`,
    );
    return false;
  }

  async function wait(held: string | null): Promise<void> {
    let atWork = false;
    for (let looks = 0, silent = 0; held !== null; looks += 1) {
      // Two boots of one machine are never at work at once: then it is a clone.
      const patience = held.startsWith(`${machine.id} `) && !atWork ? times.missed : times.lasts;
      if (looks % TELL_EVERY === 0) {
        const reason = `BLOCKYARD_HOST: ${agent} is the agent of ${told(held)} already; this machine (${machine.name}) takes no tasks until that one has been silent for ${patience / 1_000} s. If both are to run, give one another name`;
        options.onWait?.(reason);
        log(reason);
      }
      const before = performance.now();
      await sleep(times.look);
      const now = await redis.get(key);
      const heard = performance.now() - before < times.look + LATE_MS;
      const renewed = now !== null && now !== held;
      atWork ||= renewed;
      silent = heard && !renewed ? silent + times.look : 0;
      held = now ?? held;
      if (silent < patience && !held.startsWith(mine)) continue;
      held = await claim(held);
      silent = 0;
    }
  }

  await wait(await claim());
  let asking = false;
  const timer = setInterval(() => {
    if (over) clearInterval(timer);
    if (over || asking || redis.status !== 'ready') return;
    asking = true;
    // A Redis that refuses refuses the reports, too, which say so.
    void renew()
      .catch(() => undefined)
      .finally(() => {
        asking = false;
      });
  }, times.renew).unref();
  return {
    lost: lost.promise,
    async sure() {
      return performance.now() - renewedAt < times.missed ? !over : renew();
    },
    async release() {
      over = true;
      clearInterval(timer);
      await redis.eval(RELEASE, 1, key, mine);
    },
  };
}

/** The machine that has a lease, for people. What is there may have been written by whoever has the agent's account. */
function told(lease: string): string {
  const [, since, name] = /^\w+ \w+ (\d[\dTZ.:-]+) \d+ ([\w.-]+)$/.exec(lease) ?? [];
  return since === undefined ? 'another machine' : `the machine ${name}, since ${since}`;
}
