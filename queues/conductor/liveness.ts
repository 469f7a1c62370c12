import { DOWN_AFTER_S, REPORT_EVERY_S } from '#schema/reports.ts';

/** `unknown`: nothing has been heard, but neither has anybody listened long enough to say that it is down. */
export type HostState = 'up' | 'down' | 'unknown';

const DOWN_AFTER_MS = DOWN_AFTER_S * 1_000;
/** A connection that is quiet for longer may be dead; never so long that agents are thought to be down for it. */
const SURE_FOR_MS = Math.min(10_000, DOWN_AFTER_MS / 3);
/** After so long without Redis, agents may soon be thought to be down. */
const LONG_MS = DOWN_AFTER_MS / 2;
/** Until all of them have reported again. */
const SETTLES_MS = (REPORT_EVERY_S + 2) * 1_000;

/**
 * Which agents this process has heard of lately. While Redis is away nobody is heard, and that says nothing about the hosts:
 * a host counts as down only when this process has listened all the time and it kept silent.
 */
export class Liveness {
  readonly #now: () => number;
  readonly #heard = new Map<string, number>();
  #listeningSince = 0;
  #answered = Number.NEGATIVE_INFINITY;
  #resumed = 0;
  #settledAt = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Redis has just answered on the connection that reports come by; to be said every few seconds. */
  listening(): void {
    const now = this.#now();
    if (now - this.#answered > SURE_FOR_MS) {
      this.#listeningSince = now;
      if (this.#answered > 0) {
        this.#resumed = now;
        if (now - this.#answered > LONG_MS) this.#settledAt = now + SETTLES_MS;
      }
    }
    this.#answered = now;
  }

  /** Since when reports would have come through, without a break, in milliseconds; null while they may not. */
  get listeningSince(): number | null {
    return this.#now() - this.#answered > SURE_FOR_MS ? null : this.#listeningSince;
  }

  /** False while MySQL's times of agents' last reports may be old for no fault of theirs: Redis is away, or is just back. */
  get isSettled(): boolean {
    return this.listeningSince !== null && this.#now() >= this.#settledAt;
  }

  /** Until when reports did not come through although they had before; 0: they always have. */
  get deafUntil(): number {
    return this.#answered > 0 && this.listeningSince === null ? this.#now() : this.#resumed;
  }

  /** @param agent its queue's name. */
  heard(agent: string): void {
    this.#heard.set(agent, this.#now());
  }

  of(agent: string): HostState {
    const last = this.#heard.get(agent);
    const now = this.#now();
    if (last !== undefined && now - last <= DOWN_AFTER_MS) return 'up';
    const since = this.listeningSince;
    return since !== null && now - Math.max(since, last ?? 0) > DOWN_AFTER_MS ? 'down' : 'unknown';
  }

  /** Why an agent that is down is thought to be. */
  words(agent: string): string {
    const last = this.#heard.get(agent) ?? this.listeningSince ?? this.#now();
    const silence = Math.round((this.#now() - last) / 1_000);
    const dot = agent.indexOf('.');
    const [kind, host] = [agent.slice(0, dot), agent.slice(dot + 1)];
    const least = this.#heard.has(agent) ? '' : 'at least ';
    return `${kind} host ${host} is down: its agent last reported ${least}${silence} s ago`;
  }
}
