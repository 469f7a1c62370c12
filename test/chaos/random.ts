/** Choices that a seed determines. */
export interface Random {
  /** From 0 to 1. */
  next(): number;
  pick<T>(choices: readonly T[]): T;
  shuffled<T>(all: readonly T[]): T[];
}

/** mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    pick: (choices) => choices[Math.floor(next() * choices.length)]!,
    shuffled: (all) =>
      all
        .map((each) => [next(), each] as const)
        .toSorted(([one], [other]) => one - other)
        .map(([, each]) => each),
  };
}
