import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { OperationId, ProjectId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import type { Placement } from '../placement/place.ts';
import type { Dispatcher } from './dispatcher.ts';

/** What the engine works with. */
export interface EngineDeps {
  readonly db: Kysely<Tables>;
  readonly dispatcher: Pick<Dispatcher, 'run'>;
  readonly clock: Clock;
  readonly placement: Placement;
  /** `host/boot-id` of this conductor: who holds an operation. */
  readonly owner: string;
  /** Tells that an operation of a project has ended, and which one holds its volume next. */
  readonly ended: (id: OperationId, next: OperationId | null, project: ProjectId) => void;
  /** Hears of each operation that was not done, in a line of `name=value`. */
  readonly log?: (line: string) => void;
  /** Waits between two attempts of an undo; tests make it short. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}
