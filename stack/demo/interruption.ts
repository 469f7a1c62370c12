const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Somebody wants the demo to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export interface Interruption {
  /** Resolves when a signal has come. */
  readonly asked: Promise<void>;
  /** The outcome of `work`, which goes on unwatched after a signal. @throws Interrupted */
  orInterrupted<T>(work: Promise<T>): Promise<T>;
  close(): void;
}

/** From here to `close`, signals don't end this process: cleaning up does. */
export function watchSignals(): Interruption {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const listener = (): void => resolve();
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    asked,
    async orInterrupted(work) {
      work.catch(() => undefined);
      return await Promise.race([
        work,
        asked.then(() => {
          throw new Interrupted();
        }),
      ]);
    },
    close: () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    },
  };
}
