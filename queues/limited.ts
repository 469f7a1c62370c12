/** Runs one work when its turn has come, and settles as it does. */
export type Limited = <T>(run: () => Promise<T>) => Promise<T>;

/** Lets at most `limit` runs be under way; the others wait their turn, in order of arrival. */
export function limited(limit: number): Limited {
  const waiting: (() => void)[] = [];
  let free = limit;
  return async (run) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
