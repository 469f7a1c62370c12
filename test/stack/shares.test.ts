import assert from 'node:assert/strict';
import { sharesOf, workerFile } from '#stack/tempest/shares.ts';

const BASE = 'tempest.api.volume';
const [LONGEST, LONG] = [
  `${BASE}.admin.test_encrypted_volumes_extend.EncryptedVolumesExtendAttachedTest`,
  `${BASE}.test_volumes_snapshots.VolumesSnapshotTestJSON`,
] as const;

describe('the shares of Tempest’s workers', () => {
  it('hold every class once, the long ones apart and first', () => {
    const short = ['a', 'b', 'c', 'd'].map((name) => `${BASE}.test_${name}.Test`);
    const tests = [...short, LONGEST, LONG].flatMap((name) => [`${name}.test_one`, `${name}.test_two`]);
    const shares = sharesOf(tests, 2);
    assert.deepEqual(
      shares.map(([first]) => first),
      [LONGEST, LONG],
    );
    assert.deepEqual(shares.flat().toSorted(), [...short, LONGEST, LONG].toSorted());
    assert.deepEqual(sharesOf([`${LONG}.test_one`], 4), [[LONG]]);
  });

  it('reach stestr as expressions that match their class and no other', () => {
    const told = JSON.parse(workerFile([[LONG]])) as { worker: string[] }[];
    const expression = new RegExp(told[0]?.worker[0] ?? '');
    assert.match(`${LONG}.test_one[id-1,smoke]`, expression);
    assert.doesNotMatch(`${LONG}V3.test_one`, expression);
  });
});
