import type { Expected } from './expected.ts';
import type { Outcome } from './outcomes.ts';

export interface Verdict {
  readonly wanted: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Those of which nothing was heard, since their class could not be set up. */
  readonly missing: number;
  /** A line for each test that ended otherwise than the list says; empty when all is as expected. */
  readonly surprises: readonly string[];
}

/**
 * Compares what came with what was to come.
 * @param tests plain ids of all that were to be run.
 */
export function judge(
  tests: readonly string[],
  outcomes: readonly Outcome[],
  expected: ReadonlyMap<string, Expected>,
): Verdict {
  const told = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const statusOf = (id: string): string => told.get(id)?.status ?? 'missing';
  const count = (status: string): number => tests.filter((id) => statusOf(id) === status).length;
  const surprises = tests.flatMap((id) => {
    const wanted = expected.get(id)?.outcome ?? 'success';
    const came = statusOf(id);
    return came === wanted ? [] : `${id}: ${WORDS[came] ?? came}, expected to ${INFINITIVES[wanted]}`;
  });
  // A class that cannot be cleaned up passes its tests and still has failed.
  for (const outcome of outcomes) {
    if (outcome.status === 'fail' && !tests.includes(outcome.id)) surprises.push(`${outcome.id}: failed`);
  }
  return {
    wanted: tests.length,
    passed: count('success'),
    failed: count('fail') + count('other'),
    skipped: count('skip'),
    missing: count('missing'),
    surprises,
  };
}

const WORDS: Readonly<Record<string, string>> = {
  success: 'passed',
  fail: 'failed',
  skip: 'was skipped',
  missing: 'never ran',
  other: 'ended in no known way',
};
const INFINITIVES = { success: 'pass', fail: 'fail', skip: 'be skipped' } as const;
