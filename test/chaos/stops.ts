import { mkdirSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAILS, type StoppingPoint } from '#queues/stopping-points.ts';

/** A place for the next process that comes by: the point, and where it is passed for several, which of them. */
export type Place = StoppingPoint | `${StoppingPoint}@${string}`;

/** A guest that misses a request is asked again after 15 s. */
const DEADLINE_MS = 45_000;

/** The test's side of `queues/stopping-points.ts`. */
export class Stops {
  readonly folder: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
  }

  /** The next process that passes this place stops there. Call `release` in the end. */
  arm(place: Place): void {
    writeFileSync(join(this.folder, place), '');
  }

  /** The next process that passes this place fails there for good. */
  fail(place: Place): void {
    writeFileSync(join(this.folder, place), FAILS);
  }

  /** Lets the process go on that has stopped there. */
  pass(place: Place, pid: number): void {
    rmSync(join(this.folder, `${place}.${pid}`), { force: true });
  }

  /** Resolves with the process id of the process that has stopped there. */
  reached(place: Place, moreS = 0): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const look = (): void => {
      const name = readdirSync(this.folder).find((file) => file.startsWith(`${place}.`));
      if (name !== undefined) resolve(Number(name.slice(place.length + 1)));
    };
    const watcher = watch(this.folder, look);
    const timer = setTimeout(() => reject(new Error(`nobody came to ${place}`)), DEADLINE_MS + moreS * 1_000);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      watcher.close();
    });
  }

  /** Lets everybody go on, and arms nothing. */
  release(): void {
    for (const name of readdirSync(this.folder)) rmSync(join(this.folder, name), { force: true });
  }
}
