import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { allCells, type Cell, nameOf } from './cells.ts';
import { faultOptions } from './faults.ts';
import { parseOutcomes } from './table.ts';

const FILE = fileURLToPath(new URL('../../docs/reliability-cells.txt', import.meta.url));

const placeName = ({ subject, place }: Cell): string => `${subject}, ${place}`;

/** The cells that the file names: a line for each place, with the short names of the faults that it has been through. */
export function parsePassed(text: string, cells: readonly Cell[] = allCells()): Cell[] {
  const lines = text.split('\n').flatMap((line) => {
    const [, place, faults] = /^(.*?): (.*)$/.exec(line) ?? [];
    return place === undefined || faults === undefined ? [] : [[place, new Set(faults.split(' '))] as const];
  });
  const byPlace = new Map(lines);
  return cells.filter((cell) => byPlace.get(placeName(cell))?.has(faultOptions(cell.fault).short) === true);
}

/** The same as a file, in the order of the cells. */
export function writePassed(passed: readonly Cell[]): string {
  const lines = [...Map.groupBy(passed, placeName)].map(
    ([place, cells]) => `${place}: ${cells.map(({ fault }) => faultOptions(fault).short).join(' ')}\n`,
  );
  return lines.join('');
}

/** Which cells have passed, each on the code of its day; docs/reliability.md says when that was. */
export async function readPassed(): Promise<ReadonlySet<string>> {
  return new Set(parsePassed(await readFile(FILE, 'utf8')).map(nameOf));
}

/**
 * Adds what has passed in these files of outcomes, and drops cells that there are no more.
 * @param files as campaigns write them: `.data/chaos/SEED.jsonl`
 * @returns how many cells have passed by now.
 */
export async function addPassed(files: readonly string[]): Promise<number> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const outcomes = texts.flatMap(parseOutcomes).filter(({ passed }) => passed);
  const known = new Set([...(await readPassed()), ...outcomes.map(nameOf)]);
  const passed = allCells().filter((cell) => known.has(nameOf(cell)));
  await writeFile(FILE, writePassed(passed));
  return passed.length;
}
