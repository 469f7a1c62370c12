import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { allCells, type Cell, nameOf } from './cells.ts';
import { faultOptions } from './faults.ts';
import { parseOutcomes, standing } from './table.ts';

const inDocs = (name: string): string => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
const FILE = inDocs('reliability-cells.txt');
const PAGE = inDocs('reliability.md');

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

const TABLE = /(?<=^<!-- passed -->\n\n).*?(?=\n\n<!-- \/passed -->$)/ms;

/** The page, its table as these names of cells have it. @throws Error where it has no table */
export function withTable(page: string, passed: ReadonlySet<string>): string {
  if (!TABLE.test(page)) throw new Error('there is no table between <!-- passed --> and <!-- /passed -->');
  return page.replace(TABLE, standing(allCells(), passed));
}

/**
 * Adds what has passed in these files of outcomes, drops cells that there are no more, and writes the table of docs/reliability.md.
 * @param files as campaigns write them: `.data/chaos/SEED.jsonl`
 * @returns how many cells have passed by now.
 */
export async function addPassed(files: readonly string[]): Promise<number> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const outcomes = texts.flatMap(parseOutcomes).filter(({ passed }) => passed);
  const known = new Set([...(await readPassed()), ...outcomes.map(nameOf)]);
  const passed = allCells().filter((cell) => known.has(nameOf(cell)));
  await writeFile(FILE, writePassed(passed));
  await writeFile(PAGE, withTable(await readFile(PAGE, 'utf8'), new Set(passed.map(nameOf))));
  return passed.length;
}
