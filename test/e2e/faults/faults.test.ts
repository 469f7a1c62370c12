import { type Cell, play, SUBJECTS, type SubjectName } from './matrix.ts';
import { Rig } from './rig.ts';

const AT_EVERY_PLACE = ['kill -9 of the process there', 'kill -9 of Redis', 'FLUSHALL'] as const;

describe('faults at every step', function () {
  this.timeout(120_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.start();
    await rig.volume('in-use', 'anchor');
  });
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  const cells: Cell[] = [
    ...alternating(everywhere('create'), everywhere('delete')),
    ...alternating(everywhere('attach'), everywhere('detach')),
    ...everywhere('attach that fails'),
  ];
  for (const cell of cells) {
    it(`${cell.subject}, ${cell.place}: ${cell.fault}`, async () => {
      const seconds = await play(rig, cell);
      console.log(`        ${seconds.toFixed(1)} s`);
    });
  }
});

function everywhere(subject: SubjectName): Cell[] {
  return SUBJECTS[subject].places.flatMap((place) =>
    AT_EVERY_PLACE.map((fault) => ({ subject, place, fault })),
  );
}

/** What one makes the other takes away: a guest has room for some 25 disks. */
function alternating(one: readonly Cell[], other: readonly Cell[]): Cell[] {
  return Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
    .flat()
    .filter((cell) => cell !== undefined);
}
