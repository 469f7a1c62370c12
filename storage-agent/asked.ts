interface Asking<T> {
  readonly answer: Promise<T>;
  late: boolean;
}

/** Questions to what may never answer (LVM behind its lock, a folder without its NFS server): nobody is asked again before he has answered. */
export class Asked<K extends object, T> {
  readonly #asking = new WeakMap<K, Asking<T>>();

  /**
   * Those who ask the same at the same time get the same answer.
   * @throws Error with these words when it takes longer than that, and at once while it has.
   */
  async ask(whom: K, question: () => Promise<T>, withinMs: number, silence: string): Promise<T> {
    const asking = this.#asking.get(whom) ?? this.#begin(whom, question);
    if (asking.late) throw new Error(silence);
    const patience = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      asking.late = true;
      patience.reject(new Error(silence));
    }, withinMs);
    try {
      return await Promise.race([asking.answer, patience.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #begin(whom: K, question: () => Promise<T>): Asking<T> {
    const asking = { answer: question().finally(() => this.#asking.delete(whom)), late: false };
    this.#asking.set(whom, asking);
    return asking;
  }
}
