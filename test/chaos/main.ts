/**
 * `npm run test:chaos`: every flow, at every place, with every fault; or so many cells of these. Prints the matrix.
 * --flows a,b    subjects (or kinds of operations) only     --faults x,y  faults whose name or short name has this in it
 * --sample N     so many cells, chosen by the seed           --seed S      default: a new one
 * --minutes M    begins no cell after that                   --resume      goes on where the same seed has stopped
 * --soak         users at work while everything dies, for --minutes (default 5)
 *   --slow-guest P   the guest stands still for P percent of the time
 * --list         says which cells there are
 * --untried      only cells that docs/reliability-cells.txt does not name
 * --add F,G      adds what has passed in these files (.data/chaos/SEED.jsonl) to it
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';
import { allCells, nameOf, sampled } from './cells.ts';
import { faultOptions } from './faults.ts';
import { addPassed, readPassed } from './passed.ts';
import { uncovered } from './places.ts';
import { soakAlone } from './soak.ts';
import { EXEMPT, SUBJECTS } from './subjects/index.ts';
import { matrix } from './table.ts';

const SOAK_MINUTES = 5;

const { values } = parseArgs({
  options: {
    flows: { type: 'string' },
    faults: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    resume: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    'slow-guest': { type: 'string', default: '0' },
    list: { type: 'boolean', default: false },
    untried: { type: 'boolean', default: false },
    add: { type: 'string' },
  },
});

const missing = uncovered(SUBJECTS, EXEMPT);
if (missing.length > 0) throw new Error(`no cell passes ${missing.join(', ')}: see test/chaos/subjects`);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
const began = performance.now();
const took = (): string => `${((performance.now() - began) / 60_000).toFixed(1)} minutes`;

if (values.add !== undefined) {
  console.log(`${await addPassed(values.add.split(','))} of ${allCells().length} cells have passed`);
} else if (values.soak) {
  console.log(`seed ${seed}`);
  await soakAlone({
    seed,
    lastsMs: (minutes ?? SOAK_MINUTES) * 60_000,
    slowGuest: Number(values['slow-guest']),
  });
  console.log(`nothing lost, nothing stuck, nothing left over after ${took()}`);
} else {
  const all = allCells();
  const passed = values.untried ? await readPassed() : new Set();
  const flows = values.flows?.split(',');
  const faults = values.faults?.split(',');
  const wanted = all.filter((cell) => {
    const { subject, fault } = cell;
    const kind = SUBJECTS.find(({ title }) => title === subject)?.kind ?? '';
    const short: string = faultOptions(fault).short;
    return (
      !passed.has(nameOf(cell)) &&
      (flows === undefined || flows.includes(subject) || flows.includes(kind)) &&
      (faults === undefined || faults.some((each) => short === each || fault.includes(each)))
    );
  });
  const cells = sampled(wanted, values.sample === undefined ? wanted.length : Number(values.sample), seed);
  console.log(`seed ${seed}: ${cells.length} cells of ${all.length}`);
  if (values.list) for (const cell of cells) console.log(nameOf(cell));
  else {
    const outcomes = await campaign(cells, {
      file: `.data/chaos/${seed}.jsonl`,
      resume: values.resume,
      untilMs: minutes === undefined ? Number.POSITIVE_INFINITY : began + minutes * 60_000,
      say: (line) => console.log(line),
    });
    console.log(`\n${matrix(outcomes)}`);
    const count = outcomes.filter((each) => each.passed).length;
    for (const [kind, why] of Object.entries(EXEMPT)) console.log(`not in the matrix: ${kind}: ${why}`);
    console.log(
      `${count} of ${outcomes.length} cells passed, of ${all.length} that there are; seed ${seed}, ${took()}`,
    );
    if (count < outcomes.length) process.exitCode = 1;
  }
}
