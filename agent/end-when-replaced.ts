import type { Agent } from './agent.ts';

/** Ends the process, with the reason, when another machine works under its agent's name: started again, it waits like any other. */
export function endWhenReplaced({ replaced }: Agent, log: (line: string) => void): void {
  void replaced.then((reason) => {
    log(reason);
    process.exit(1);
  });
}
