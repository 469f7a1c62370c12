import { FAULT_NAMES, type Fault, faultOptions } from './faults.ts';
import { placesOf } from './places.ts';
import { randomFrom } from './random.ts';
import type { Place } from './stops.ts';
import { SUBJECTS } from './subjects/index.ts';

export interface Cell {
  /** Title of a subject. */
  readonly subject: string;
  readonly place: Place;
  readonly fault: Fault;
}

export function nameOf({ subject, place, fault }: Cell): string {
  return `${subject}, ${place}: ${fault}`;
}

/** Every cell there is: derived from the flows, so that a new step has cells at once. */
export function allCells(): Cell[] {
  return SUBJECTS.flatMap(({ title, ...way }) =>
    [...new Set(placesOf(way))].flatMap((place) =>
      FAULT_NAMES.filter((fault) => faultOptions(fault).not?.(place) == null).map((fault) => ({
        subject: title,
        place,
        fault,
      })),
    ),
  );
}

/**
 * So many of the cells, as the seed has them. Subjects take turns: each gets its share, and what one makes the next takes
 * away.
 */
export function sampled(cells: readonly Cell[], count: number, seed: number): Cell[] {
  const bySubject = Map.groupBy(randomFrom(seed).shuffled(cells), ({ subject }) => subject);
  const sample: Cell[] = [];
  for (let turn = 0; sample.length < Math.min(count, cells.length); turn++) {
    for (const { title } of SUBJECTS) {
      const cell = bySubject.get(title)?.[turn];
      if (cell !== undefined && sample.length < count) sample.push(cell);
    }
  }
  return sample;
}
