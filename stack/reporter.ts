import Mocha from 'mocha';

/** What the parent of a test run is told over the IPC channel when the last test has ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What it is told when the shared lab and servers have been stopped; how long that took, in milliseconds. */
export interface TornDown {
  readonly labMs: number;
  readonly serversMs: number;
}

/** Mocha's own "spec" report for people, and the counts for `stack/test.ts`. */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      process.send?.({ passed: passes, failed: failures, skipped: pending } satisfies TestCounts);
    });
  }
}
