import type { EngineDeps } from '#queues/conductor/deps.ts';
import { Placement } from '#queues/placement/place.ts';
import { DEFAULT_WEIGHTS } from '#queues/placement/weighers.ts';
import { systemClock } from '#queues/system.ts';
import type { Yard } from './yard.ts';

/** What an engine on the yard's database needs besides its dispatcher; it never pauses. */
export function engineParts({ db }: Pick<Yard, 'db'>): Omit<EngineDeps, 'dispatcher'> {
  return {
    db,
    clock: systemClock,
    placement: new Placement(DEFAULT_WEIGHTS, systemClock),
    owner: 'test/1',
    ended: () => undefined,
    pause: async () => undefined,
  };
}
