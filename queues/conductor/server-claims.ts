import type { Clock } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';

/**
 * Which host has which server, by what the hosts said last. Tasks for a server go to its host, secrets included, so a host
 * cannot just say that it has one: another one that has it must have let go of it, or be silent for long.
 */
export class ServerClaims {
  readonly #clock: Clock;
  readonly #since: number;
  readonly #said = new Map<HostName, { readonly at: number; readonly ids: ReadonlySet<string> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** What a host says that it has. */
  heard(host: HostName, ids: readonly string[]): void {
    this.#said.set(host, { at: this.#clock.now(), ids: new Set(ids) });
  }

  /** True while this host still has the server, as far as one can know. */
  holds(host: HostName, id: string): boolean {
    const last = this.#said.get(host);
    const silence = this.#clock.now() - (last?.at ?? this.#since);
    return silence < DOWN_AFTER_S * 1_000 && (last === undefined || last.ids.has(id));
  }
}
