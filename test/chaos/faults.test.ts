import { diagnose } from './diagnosis.ts';
import { type Cell, play, SUBJECTS, type SubjectName } from './matrix.ts';
import { Rig } from './rig.ts';
import { SCENARIOS } from './scenarios.ts';
import { Table } from './table.ts';

const AT_EVERY_PLACE = ['kill -9 of the process there', 'kill -9 of Redis', 'FLUSHALL'] as const;

/** Deaths of others than the process that has stopped, where they hurt most: in the midst of a host's work. */
const AT_WORK = [
  'Redis back to before the call',
  'kill -9 of api',
  'kill -9 of conductor',
  'kill -9 of the target',
  'kill -9 of both agents',
  'kill -9 of all and Redis',
] as const;

/** What goes wrong first is the cause of much that comes after. */
const DIAGNOSES_AT_MOST = 3;

describe('faults at every step', function () {
  this.timeout(300_000);
  let rig: Rig;
  let diagnoses = 0;
  const table = new Table();
  before(async () => {
    rig = await Rig.start();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed' && diagnoses++ < DIAGNOSES_AT_MOST)
      console.log(await diagnose(rig));
  });
  after(async () => {
    console.log(table.toString());
    await rig?.[Symbol.asyncDispose]();
  });

  const cells: Cell[] = [
    ...alternating(everywhere('create'), everywhere('delete')),
    ...alternating(everywhere('attach'), everywhere('detach')),
    ...everywhere('attach that fails'),
  ];
  for (const cell of cells) {
    it(`${cell.subject}, ${cell.place}: ${cell.fault}`, async () => {
      table.add(cell, await play(rig, cell));
    });
  }
  it('the guest has kept its data through all that', () => rig.anchor.verify());
  for (const [title, scenario] of Object.entries(SCENARIOS)) it(title, () => scenario(rig));
});

function everywhere(subject: SubjectName): Cell[] {
  return SUBJECTS[subject].places.flatMap((place) => {
    const faults = place.startsWith('agent.effected') ? [...AT_EVERY_PLACE, ...AT_WORK] : AT_EVERY_PLACE;
    return faults.map((fault) => ({ subject, place, fault }));
  });
}

/** What one makes the other takes away: a guest has room for some 25 disks. */
function alternating(one: readonly Cell[], other: readonly Cell[]): Cell[] {
  return Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
    .flat()
    .filter((cell) => cell !== undefined);
}
