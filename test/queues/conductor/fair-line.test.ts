import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { FairLine, type Place } from '#queues/conductor/fair-line.ts';

describe('FairLine', () => {
  it('lets one key have some of the places, and another one the rest at once', () => {
    const line = new FairLine({ total: 3, perKey: 2 });
    const begun: string[] = [];
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) line.enter(name[0] ?? '', () => begun.push(name));
    assert.deepEqual(begun, ['a1', 'a2', 'b1']);
  });

  it('gives turns to keys, not to those who came first', () => {
    const line = new FairLine({ total: 1, perKey: 1 });
    const begun: string[] = [];
    const places = new Map<string, Place>();
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1']) {
      places.set(
        name,
        line.enter(name[0] ?? '', () => begun.push(name)),
      );
    }
    while (begun.length < 6) places.get(begun.at(-1) ?? '')?.leave();
    assert.deepEqual(begun, ['a1', 'a2', 'b1', 'c1', 'a3', 'a4']);
  });

  it('keeps its limits, never stops while somebody may begin, and forgets who has left', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      leave: fc.nat({ max: 20 }),
      twice: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const limits = { total: 4, perKey: 3 };
        const line = new FairLine(limits);
        const inside: { who: { key: string; atWork: boolean }; place: Place }[] = [];
        for (const { key, leave, twice } of steps) {
          if (leave < inside.length) {
            const [gone] = inside.splice(leave, 1);
            gone?.place.leave();
            if (twice) gone?.place.leave();
          } else {
            const one = { key, atWork: false };
            const place = line.enter(key, () => (one.atWork = true));
            inside.push({ who: one, place });
          }
          const all = inside.map(({ who }) => who);
          const atWork = all.filter((one) => one.atWork);
          const of = (name: string) => atWork.filter((one) => one.key === name).length;
          assert.ok(atWork.length <= limits.total);
          for (const name of ['a', 'b', 'c']) {
            assert.ok(of(name) <= limits.perKey);
            const waits = all.some((one) => one.key === name && !one.atWork);
            if (waits) assert.ok(atWork.length === limits.total || of(name) === limits.perKey);
          }
        }
      }),
    );
  });
});
