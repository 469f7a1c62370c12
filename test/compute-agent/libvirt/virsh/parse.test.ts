import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  parseDomainList,
  parseDominfo,
  parseDomstats,
  parseFields,
} from '#compute-agent/libvirt/virsh/parse.ts';

const recorded = (name: string) => readFileSync(`test/fixtures/virsh/${name}.txt`, 'utf8');

describe("virsh's answers", () => {
  const uuid = (end: number) => `11111111-2222-4333-8444-55555555550${end}`;

  it('tell whether a domain runs and whether it stays', () => {
    assert.deepEqual(
      ['running', 'shut-off', 'transient'].map((state) => parseDominfo(recorded(`dominfo-${state}`))),
      [
        { name: 'd1', uuid: uuid(1), active: true, persistent: true },
        { name: 'd two', uuid: uuid(2), active: false, persistent: true },
        { name: 'd3', uuid: uuid(3), active: true, persistent: false },
      ],
    );
    assert.throws(() => parseDominfo('Id: 1\n'), /did not tell Name/);
  });

  it('list domains, blanks in their names included', () => {
    assert.deepEqual(
      parseDomainList(recorded('list')).toSorted((a, b) => a.uuid.localeCompare(b.uuid)),
      ['d1', 'd two', 'd3'].map((name, index) => ({ uuid: uuid(index + 1), name })),
    );
  });

  it('count processors and memory', () => {
    const stats = parseDomstats(recorded('domstats'));
    assert.deepEqual([...stats.keys()].toSorted(), ['d two', 'd1', 'd3']);
    assert.equal(stats.get('d two')?.get('state.state'), '5');
    assert.equal(stats.get('d1')?.get('vcpu.current'), '1');
    assert.equal(stats.get('d1')?.get('balloon.maximum'), '65536');
  });

  it('tell limits', () => {
    const fields = parseFields(recorded('blkdeviotune'));
    assert.equal(fields.size, 20);
    assert.equal(fields.get('total_iops_sec_max'), '90');
    assert.equal(fields.get('group_name'), 'g1');
  });
});
