/** Any number may share; who wants it alone waits until nobody has it, and nobody passes those who wait. */
export class SharedLock {
  #last: Promise<unknown> = Promise.resolve();
  #sharing = new Set<Promise<unknown>>();

  shared<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#sharing.add(settled);
    void settled.then(() => this.#sharing.delete(settled));
    return mine;
  }

  alone<T>(work: () => Promise<T>): Promise<T> {
    const before = [this.#last, ...this.#sharing];
    const mine = Promise.all(before).then(work);
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }
}
