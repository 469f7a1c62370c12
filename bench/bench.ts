import type { Stack } from '#stack/environment.ts';
import type { Client } from './client.ts';
import type { Processes } from './processes.ts';

/** What every suite is given. */
export interface Bench {
  readonly stack: Stack;
  readonly client: Client;
  /** `/v3/<project>` */
  readonly base: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly volumes: number;
  /** Our processes, by name. */
  readonly ours: Processes;
  readonly servers: Processes;
}
