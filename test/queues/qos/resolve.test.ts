import assert from 'node:assert/strict';
import { resolveIotune } from '#queues/qos/resolve.ts';

describe('resolveIotune', () => {
  it('sets nothing without a spec or for the back end alone', () => {
    assert.deepEqual(resolveIotune(null, 10), {});
    assert.deepEqual(resolveIotune({ consumer: 'back-end', specs: { read_iops_sec: '5' } }, 10), {});
  });

  it('takes libvirt’s keys as numbers, and the group by name', () => {
    const specs = {
      read_iops_sec: '400',
      read_iops_sec_max: '800',
      read_iops_sec_max_length: '5',
      group_name: 'g',
    };
    assert.deepEqual(resolveIotune({ consumer: 'both', specs: { ...specs, vendor_key: 'x' } }, 1), {
      read_iops_sec: 400,
      read_iops_sec_max: 800,
      read_iops_sec_max_length: 5,
      group_name: 'g',
    });
  });

  it('scales per GiB between floor and cap', () => {
    const qos = {
      consumer: 'front-end',
      specs: { total_iops_sec_per_gb: '10', total_iops_sec_per_gb_min: '50', total_iops_sec_max: '200' },
    } as const;
    assert.deepEqual(resolveIotune(qos, 1), { total_iops_sec: 50 });
    assert.deepEqual(resolveIotune(qos, 12), { total_iops_sec: 120 });
    assert.deepEqual(resolveIotune(qos, 1000), { total_iops_sec: 200 });
  });
});
