import { type Cell, nameOf } from './cells.ts';
import { FAULT_NAMES, type Fault, faultOptions } from './faults.ts';

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

/** A campaign's matrix: for each subject and fault how many cells passed of those that were tried, and how long recovery took. */
export function matrix(outcomes: readonly Outcome[]): string {
  const ends = Map.groupBy(outcomes, ({ end }) => end);
  return [
    table(outcomes, ['median s', 'worst s'], (of) => [share(of, ({ passed }) => passed), ...spread(of)]),
    '',
    ...faultsOf(outcomes).map((fault) => `- \`${faultOptions(fault).short}\`: ${fault}`),
    '',
    `${outcomes.length} cells: ${[...ends].map(([end, of]) => `${of.length} ${end}`).join(', ')}.`,
  ].join('\n');
}

/** The matrix of all campaigns: how many of the cells that there are have passed. @param passed their names */
export function standing(cells: readonly Cell[], passed: ReadonlySet<string>): string {
  return table(cells, [], (of) => [share(of, (cell) => passed.has(nameOf(cell)))]);
}

/** A row for each subject, a column for each fault. @param tell what is said of cells: their share, and with all of a subject's what `more` names */
function table<C extends Cell>(
  cells: readonly C[],
  more: readonly string[],
  tell: (of: readonly C[]) => readonly [share: string, ...more: string[]],
): string {
  const faults = faultsOf(cells);
  const row = (title: string, of: readonly C[]): string[] => [
    title,
    ...faults.map((fault) => tell(of.filter((each) => each.fault === fault))[0]),
    ...tell(of),
  ];
  const rows = [
    ['flow', ...faults.map((fault) => faultOptions(fault).short), 'all', ...more],
    ['---', ...faults.map(() => '--:'), '--:', ...more.map(() => '--:')],
    ...[...Map.groupBy(cells, ({ subject }) => subject)].map(([subject, of]) => row(subject, of)),
    row('**all**', cells),
  ];
  return rows.map((columns) => `| ${columns.join(' | ')} |`).join('\n');
}

function faultsOf(cells: readonly Cell[]): Fault[] {
  return FAULT_NAMES.filter((fault) => cells.some((each) => each.fault === fault));
}

function share<C extends Cell>(of: readonly C[], counts: (cell: C) => boolean): string {
  return of.length === 0 ? '' : `${of.filter(counts).length}/${of.length}`;
}

function spread(of: readonly Outcome[]): [median: string, worst: string] {
  const seconds = of
    .filter(({ passed }) => passed)
    .map((each) => each.seconds)
    .toSorted((one, other) => one - other);
  const shown = (value: number | undefined): string => value?.toFixed(1) ?? '';
  return [shown(seconds[Math.floor(seconds.length / 2)]), shown(seconds.at(-1))];
}
