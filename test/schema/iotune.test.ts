import assert from 'node:assert/strict';
import { IOTUNE_KEYS, IOTUNE_MAX, type Iotune, iotuneProblem, parseIotune } from '#schema/iotune.ts';

describe('iotuneProblem', () => {
  const accepted: readonly Iotune[] = [
    {},
    { read_bytes_sec: 0, total_bytes_sec: 5 },
    { total_bytes_sec: 1, read_iops_sec: 1, write_iops_sec: 1 },
    { read_bytes_sec: IOTUNE_MAX },
    { total_iops_sec: 10, total_iops_sec_max: 10, total_iops_sec_max_length: 60, size_iops_sec: 4096 },
    { read_iops_sec: 1, group_name: 'gold, größe & co' },
  ];
  for (const iotune of accepted) {
    it(`accepts ${JSON.stringify(iotune)}`, () => assert.equal(iotuneProblem(iotune), null));
  }

  const refused: readonly (readonly [Iotune, RegExp])[] = [
    [{ read_iops_sec: -1 }, /read_iops_sec must be a whole number/],
    [{ read_iops_sec: 1.5 }, /read_iops_sec must be a whole number/],
    [{ read_iops_sec: Number.NaN }, /read_iops_sec must be a whole number/],
    [{ read_iops_sec: IOTUNE_MAX + 1 }, /read_iops_sec must be a whole number/],
    [{ total_bytes_sec: 1, write_bytes_sec: 1 }, /total_bytes_sec cannot stand beside write_bytes_sec/],
    [{ total_iops_sec: 1, read_iops_sec: 1 }, /total_iops_sec cannot stand beside read_iops_sec/],
    [{ total_iops_sec: 1, total_iops_sec_max: 2, read_iops_sec_max: 2 }, /cannot stand beside/],
    [{ read_iops_sec_max: 5 }, /read_iops_sec_max needs read_iops_sec/],
    [{ read_iops_sec: 5, read_iops_sec_max_length: 5 }, /read_iops_sec_max_length needs read_iops_sec_max/],
    [{ write_bytes_sec: 5, write_bytes_sec_max: 4 }, /write_bytes_sec_max cannot be lower/],
    [{ read_bytes_sec: 1, read_bytes_sec_max: IOTUNE_MAX, read_bytes_sec_max_length: 2 }, /is too long/],
    [{ size_iops_sec: 4096, read_bytes_sec: 1 }, /size_iops_sec needs/],
    [{ group_name: 'a' }, /group_name needs a limit/],
    [{ group_name: '', read_iops_sec: 1 }, /group_name must be/],
    [{ group_name: 'a\nb', read_iops_sec: 1 }, /group_name must be/],
  ];
  for (const [iotune, reason] of refused) {
    it(`refuses ${JSON.stringify(iotune)}`, () => assert.match(iotuneProblem(iotune) ?? '', reason));
  }

  it('knows a rule for every key: none passes alone that QEMU would refuse', () => {
    const alone = IOTUNE_KEYS.filter((key) => iotuneProblem({ [key]: 1 }) === null);
    assert.deepEqual(alone, IOTUNE_KEYS.slice(0, 6));
  });
});

describe('parseIotune', () => {
  it('reads digits only', () => {
    assert.deepEqual(
      parseIotune([
        ['read_iops_sec', '007'],
        ['group_name', 'g'],
      ]),
      {
        iotune: { read_iops_sec: 7, group_name: 'g' },
      },
    );
    for (const value of ['', ' 1', '1e5', '0x10', '-1', '+1', '1.0', '٣', '9'.repeat(20), '9'.repeat(400)]) {
      assert.ok('problem' in parseIotune([['read_iops_sec', value]]), value);
    }
  });

  it('refuses unknown and repeated keys', () => {
    assert.deepEqual(parseIotune([['__proto__', '1']]), {
      problem: '__proto__ is not an I/O limit libvirt knows',
    });
    assert.deepEqual(
      parseIotune([
        ['read_iops_sec', '1'],
        ['read_iops_sec', '1'],
      ]),
      {
        problem: 'read_iops_sec is given twice',
      },
    );
  });
});
