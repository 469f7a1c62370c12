import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { loadSession, type Session } from './session.ts';
import type { TokenFormat } from './token-format.ts';

/** What is remembered may be believed for so long after somebody last looked whether anything has changed. */
const BELIEVED_MS = 1_000;
/** From then on somebody looks, and nobody waits for it. */
const LOOK_AFTER_MS = 500;
const MOST_SESSIONS = 10_000;

/**
 * Tokens' sessions, remembered. Every change to the tables counts a generation up, which is looked at twice a second while
 * requests come: so a request costs MySQL nothing, and what another api has revoked is refused after a second at most.
 */
export class Directory {
  readonly #db: Kysely<Tables>;
  readonly #format: TokenFormat;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Session>();
  #generation = -1;
  /** By the monotonic clock, which nobody sets back; before the query that found the generation. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(db: Kysely<Tables>, format: TokenFormat, clock: Clock) {
    this.#db = db;
    this.#format = format;
    this.#clock = clock;
  }

  /** @returns undefined for a token that is good for nothing (any more). */
  async session(token: string): Promise<Session | undefined> {
    await this.#freshen();
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#sessions.get(key);
    if (known !== undefined) return this.#unlessExpired(known);
    const claims = this.#format.open(token);
    if (claims === undefined || claims.expires <= this.#clock.now()) return undefined;
    const generation = this.#generation;
    const session = await loadSession(this.#db, claims);
    if (session !== undefined && generation === this.#generation) this.#remember(key, session);
    return session;
  }

  /** After a change: what this process remembers is looked up again. */
  async changed(): Promise<void> {
    await this.#looking?.catch(() => undefined);
    await this.#look();
  }

  #unlessExpired(session: Session): Session | undefined {
    return session.claims.expires > this.#clock.now() ? session : undefined;
  }

  #remember(key: string, session: Session): void {
    this.#sessions.set(key, session);
    if (this.#sessions.size <= MOST_SESSIONS) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }

  async #freshen(): Promise<void> {
    const age = performance.now() - this.#lookedAt;
    if (age < LOOK_AFTER_MS) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    if (age >= BELIEVED_MS) await this.#looking;
    // Who is still believed answers; the next one finds out whether MySQL does.
    else this.#looking.catch(() => undefined);
  }

  async #look(): Promise<void> {
    const at = performance.now();
    const { generation } = await this.#db
      .selectFrom('identity_generation')
      .select('generation')
      .executeTakeFirstOrThrow();
    if (generation !== this.#generation) this.#sessions.clear();
    this.#generation = generation;
    this.#lookedAt = Math.max(this.#lookedAt, at);
  }
}
