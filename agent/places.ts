/** Gives a place up: whoever waits next has it. */
export type Leave = () => void;

interface Share {
  atWork: number;
  /** In order of arrival. */
  readonly waiting: Set<() => void>;
}

/** Places at work, as many for each share: a share whose work hangs keeps no other waiting. */
export class Places {
  readonly #each: number;
  readonly #patienceMs: number;
  readonly #shares = new Map<string, Share>();

  /** @param patienceMs how long anybody waits for a place */
  constructor(each: number, patienceMs: number) {
    this.#each = each;
    this.#patienceMs = patienceMs;
  }

  /** Resolves with a place of this share, at once or when others have left; null when there was none in time. */
  async enter(name: string): Promise<Leave | null> {
    const share = this.#shares.get(name) ?? { atWork: 0, waiting: new Set() };
    this.#shares.set(name, share);
    if (share.atWork < this.#each) share.atWork += 1;
    else if (!(await this.#isHandedOne(share))) return null;
    return () => this.#leave(name, share);
  }

  #isHandedOne({ waiting }: Share): Promise<boolean> {
    return new Promise((resolve) => {
      const turn = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        waiting.delete(turn);
        resolve(false);
      }, this.#patienceMs);
      waiting.add(turn);
    });
  }

  #leave(name: string, share: Share): void {
    const [next] = share.waiting;
    if (next !== undefined) {
      share.waiting.delete(next);
      return next();
    }
    share.atWork -= 1;
    if (share.atWork === 0) this.#shares.delete(name);
  }
}
