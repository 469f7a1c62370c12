/** A place in line, or at work. */
export interface Place {
  /** Gives it up: whoever waits next begins. */
  leave(): void;
}

export interface FairLineLimits {
  /** At work at once. */
  readonly total: number;
  /** Of these, with the same key: fewer, so that somebody new finds a place at once. */
  readonly perKey: number;
}

interface Line {
  atWork: number;
  /** In order of arrival. */
  readonly waiting: Set<() => void>;
}

/**
 * Lets a limited number work at once; those who wait take turns by key, so that one key's ten thousand don't keep
 * another's single one from its turn. Keys are projects.
 */
export class FairLine {
  readonly #limits: FairLineLimits;
  /** The key whose turn is next comes first. */
  readonly #lines = new Map<string, Line>();
  #atWork = 0;

  constructor(limits: FairLineLimits) {
    this.#limits = limits;
  }

  /** Calls `begin` when it is this one's turn: at once, or when others have left. It must not throw. */
  enter(key: string, begin: () => void): Place {
    const line = this.#lines.get(key) ?? { atWork: 0, waiting: new Set() };
    this.#lines.set(key, line);
    let state: 'waiting' | 'at work' | 'gone' = 'waiting';
    const turn = (): void => {
      state = 'at work';
      // To the end of the round.
      this.#lines.delete(key);
      this.#lines.set(key, line);
      line.atWork += 1;
      this.#atWork += 1;
      begin();
    };
    if (this.#mayBegin(line)) turn();
    else line.waiting.add(turn);
    return {
      leave: () => {
        if (state === 'waiting') line.waiting.delete(turn);
        if (state === 'at work') {
          line.atWork -= 1;
          this.#atWork -= 1;
        }
        state = 'gone';
        if (line.atWork === 0 && line.waiting.size === 0) this.#lines.delete(key);
        this.#next();
      },
    };
  }

  #mayBegin(line: Line): boolean {
    return this.#atWork < this.#limits.total && line.atWork < this.#limits.perKey;
  }

  #next(): void {
    for (const line of this.#lines.values()) {
      if (this.#atWork >= this.#limits.total) return;
      const [first] = line.waiting;
      if (first === undefined || !this.#mayBegin(line)) continue;
      line.waiting.delete(first);
      first();
      return;
    }
  }
}
