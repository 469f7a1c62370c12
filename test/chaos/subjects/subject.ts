import type { Way } from '../places.ts';
import type { Rig } from '../rig.ts';

export type End = 'done' | 'undone' | 'never begun';

/** One operation that is ready to be asked for. */
export interface Ready {
  readonly call: () => Promise<unknown>;
  /** Brings back what was away for it, once it has ended; twice, or after a failure, it does no harm. */
  readonly afterwards?: () => Promise<void>;
  /** What must be true of the data afterwards. */
  readonly verify?: (end: End) => Promise<void>;
}

/** One way through a flow. */
export interface Subject extends Way {
  readonly title: string;
  /** Nothing real makes the row fail at which it turns back: the agent is made to say so when it has done all of it. */
  readonly madeToFail?: true;
  /** Seconds that it may take by itself. What takes long is left to `npm run test:chaos`. */
  readonly takesS?: number;
  /** Brings about what the operation needs. */
  readonly begin: (rig: Rig) => Promise<Ready>;
}
