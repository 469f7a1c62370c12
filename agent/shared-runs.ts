/**
 * A job that is handed out again while its run is still at work (its lock was lost: Redis came back from an older file, or this process
 * stood still) shares that run and its end. BullMQ renews locks by a job's id and forgets the id when one of the two ends: a second run
 * of more than a lock's length would lose its lock in turn, be handed out again, and never count.
 */
export class SharedRuns<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /** @returns what `work` returns, or what the run of this id does that is under way. */
  run(id: string, work: () => Promise<T>): Promise<T> {
    const begun = this.#underWay.get(id);
    if (begun !== undefined) return begun;
    const run = work().finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, run);
    return run;
  }
}
