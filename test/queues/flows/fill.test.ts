import assert from 'node:assert/strict';
import type { Facts } from '#queues/flows/facts.ts';
import { FLOWS } from '#queues/flows/index.ts';
import { copyDeadlineMs } from '#storage-agent/backends/deadline.ts';

const GIB = 2 ** 30;
const COPIES = [
  'volume.create volume',
  'snapshot.create snapshot',
  'volume.upload upload',
  'volume.revert rewrite',
  'volume.reimage rewrite',
  'volume.retype copy',
  'volume.retype stage',
  'volume.migrate copy',
  'volume.migrate stage',
  'backup.create data',
  'backup.restore restore',
];

describe('how long a copy may take', () => {
  for (const copy of COPIES) {
    it(`grows with what is copied: ${copy}`, () => {
      for (const sizeGib of [1, 500, 2_000]) {
        // What the agent allows for a copy, and for comparing it, which reads both.
        const allowedS = (copyDeadlineMs(sizeGib * GIB) + copyDeadlineMs(2 * sizeGib * GIB)) / 1_000;
        const withinS = secondsFor(copy, sizeGib);
        assert.ok(withinS >= allowedS, `${withinS} s for ${sizeGib} GiB, the agent ${allowedS} s`);
        assert.ok(withinS >= 6 * 3_600, `${withinS} s`);
      }
    });
  }

  it('stays six hours for small ones', () => assert.equal(secondsFor('volume.migrate copy', 1), 6 * 3_600));

  it('is never more than a timer can hold, which would be up at once', () => {
    assert.equal(copyDeadlineMs(100_000 * GIB), 2 ** 31 - 1);
  });
});

function secondsFor(copy: string, sizeGib: number): number {
  const [kind, name] = copy.split(' ') as [keyof typeof FLOWS, string];
  const row = FLOWS[kind].rows.find((one) => one.name === name);
  assert.ok(row !== undefined && row.on !== 'conductor' && row.withinS !== undefined);
  const size = { size_gib: sizeGib };
  const holds = kind === 'backup.create' ? { volume: null, backup: size } : { volume: size, backup: null };
  const facts = { ...holds, input: { source: { kind: 'snapshot' } } } as unknown as Facts;
  return typeof row.withinS === 'number' ? row.withinS : row.withinS(facts);
}
