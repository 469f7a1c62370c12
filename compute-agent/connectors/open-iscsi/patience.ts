/** File operations that a target which has just gone may hold up for a long time. */
export interface Patience {
  /**
   * @param what for the error, for example `scan of host2`.
   * @throws Error after `ms`, while the work still goes on; what the work throws.
   */
  run<T>(what: string, ms: number, work: () => Promise<T>): Promise<T>;
}

/**
 * At most so many at once, those that were given up included: each takes a thread of the few that Node has for all
 * files, and the agent needs some for itself.
 */
export function patience(slots: number): Patience {
  let free = slots;
  const waiting = new Set<() => void>();
  const release = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      free += 1;
      return;
    }
    waiting.delete(next);
    next();
  };

  return {
    async run(what, ms, work) {
      const deadline = Promise.withResolvers<never>();
      const timer = setTimeout(() => deadline.reject(new Error(`${what} took longer than ${ms} ms`)), ms);
      try {
        if (free > 0) free -= 1;
        else {
          const turn = Promise.withResolvers<void>();
          waiting.add(turn.resolve);
          try {
            await Promise.race([turn.promise, deadline.promise]);
          } catch (error) {
            // The turn may have come in the same moment.
            if (!waiting.delete(turn.resolve)) release();
            throw error;
          }
        }
        const working = work();
        void working.then(release, release);
        return await Promise.race([working, deadline.promise]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
