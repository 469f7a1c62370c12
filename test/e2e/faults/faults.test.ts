import { type Fault, play, SUBJECTS, type SubjectName } from './matrix.ts';
import { Rig } from './rig.ts';

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

  const times: { seconds: number; cell: string }[] = [];
  for (const subject of Object.keys(SUBJECTS) as SubjectName[]) {
    for (const place of SUBJECTS[subject].places) {
      for (const fault of [
        'kill -9 of the process there',
        'kill -9 of Redis',
        'FLUSHALL',
      ] satisfies Fault[]) {
        it(`${subject}, ${place}: ${fault}`, async () => {
          const seconds = await play(rig, subject, place, fault);
          times.push({ seconds, cell: `${subject}, ${place}: ${fault}` });
          console.log(`        ${seconds.toFixed(1)} s`);
        });
      }
    }
  }
});
