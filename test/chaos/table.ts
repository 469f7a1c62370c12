import type { Cell } from './cells.ts';
import { FAULT_NAMES, faultOptions } from './faults.ts';

export interface Outcome extends Cell {
  readonly passed: boolean;
  /** From the blow to the end of the operation. */
  readonly seconds: number;
  readonly end: string;
}

/** What a campaign has written, a line each. */
export function parseOutcomes(text: string): Outcome[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Outcome);
}

/** The matrix: for each subject and fault how many cells passed of those that were tried, and how long recovery took. */
export function matrix(outcomes: readonly Outcome[]): string {
  const faults = FAULT_NAMES.filter((fault) => outcomes.some((each) => each.fault === fault));
  const subjects = [...new Set(outcomes.map(({ subject }) => subject))];
  const row = (title: string, of: readonly Outcome[]): string[] => [
    title,
    ...faults.map((fault) => share(of.filter((each) => each.fault === fault))),
    share(of),
    ...spread(of),
  ];
  const rows = [
    ['flow', ...faults.map((fault) => faultOptions(fault).short), 'all', 'median s', 'worst s'],
    ['---', ...faults.map(() => '--:'), '--:', '--:', '--:'],
    ...subjects.map((subject) =>
      row(
        subject,
        outcomes.filter((each) => each.subject === subject),
      ),
    ),
    row('**all**', outcomes),
  ];
  const ends = Map.groupBy(outcomes, ({ end }) => end);
  return [
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...faults.map((fault) => `- \`${faultOptions(fault).short}\`: ${fault}`),
    '',
    `${outcomes.length} cells: ${[...ends].map(([end, of]) => `${of.length} ${end}`).join(', ')}.`,
  ].join('\n');
}

function share(of: readonly Outcome[]): string {
  return of.length === 0 ? '' : `${of.filter(({ passed }) => passed).length}/${of.length}`;
}

function spread(of: readonly Outcome[]): [median: string, worst: string] {
  const seconds = of
    .filter(({ passed }) => passed)
    .map((each) => each.seconds)
    .toSorted((one, other) => one - other);
  const shown = (value: number | undefined): string => value?.toFixed(1) ?? '';
  return [shown(seconds[Math.floor(seconds.length / 2)]), shown(seconds.at(-1))];
}
