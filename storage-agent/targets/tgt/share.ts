/**
 * Lets callers share runs of something expensive to read. A caller gets a run that began after its call, never one
 * that was under way; all who come while one is under way share the next.
 */
export function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    next = undefined;
    const run = read();
    const over = run.then(
      () => undefined,
      () => undefined,
    );
    running = over;
    void over.then(() => {
      if (running === over) running = undefined;
    });
    return run;
  };
  return () => {
    if (running === undefined) return start();
    next ??= running.then(start);
    return next;
  };
}
