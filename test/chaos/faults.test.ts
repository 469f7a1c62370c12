import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { allCells, type Cell, nameOf, sampled } from './cells.ts';
import { diagnose } from './diagnosis.ts';
import { faultOptions } from './faults.ts';
import { uncovered } from './places.ts';
import { play } from './play.ts';
import { Rig } from './rig.ts';
import { SCENARIOS } from './scenarios.ts';
import { EXEMPT, SUBJECTS } from './subjects/index.ts';
import { matrix, type Outcome } from './table.ts';

/** What fits in two minutes, two or so of each flow; `npm run test:chaos` plays them all. */
const CELLS = 64;
/** What goes wrong first is the cause of much that comes after. */
const DIAGNOSES_AT_MOST = 3;
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));

const SLOW = new Set(SUBJECTS.filter(({ takesS }) => takesS !== undefined).map(({ title }) => title));

/** Faults that last, and operations that take long, are left to `npm run test:chaos`. */
const quick = ({ fault, subject }: Cell): boolean =>
  faultOptions(fault).lastsS === undefined && !SLOW.has(subject);

describe('faults at every step', function () {
  this.timeout(300_000);
  let rig: Rig;
  let diagnoses = 0;
  const outcomes: Outcome[] = [];
  before(async () => {
    console.log(`    seed ${SEED}`);
    rig = await Rig.start();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed' && diagnoses++ < DIAGNOSES_AT_MOST)
      console.log(await diagnose(rig));
  });
  after(async () => {
    console.log(matrix(outcomes));
    await rig?.[Symbol.asyncDispose]();
  });

  it('are tried in every flow and row that there is', () => {
    assert.deepEqual(uncovered(SUBJECTS, EXEMPT), []);
  });
  for (const cell of sampled(allCells().filter(quick), CELLS, SEED)) {
    it(nameOf(cell), async () => {
      outcomes.push({ ...cell, passed: false, seconds: 0, end: 'failed' });
      outcomes[outcomes.length - 1] = { ...cell, passed: true, ...(await play(rig, cell)) };
    });
  }
  it('the guest has kept its data through all that', () => rig.anchor.verify());
  it('the product itself finds no difference anywhere', () => rig.verifyNoDrift());
  for (const [title, scenario] of Object.entries(SCENARIOS)) it(title, () => scenario(rig));
});
