import assert from 'node:assert/strict';
import { attachDisk } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { fixture, SPECS } from './documents.ts';

describe('listDisks', () => {
  it('reads back what attachDisk wrote', () => {
    for (const spec of SPECS) {
      const { xml, device } = attachDisk(fixture('live'), spec);
      const disk = listDisks(xml)[1] ?? assert.fail();
      assert.equal(disk.target, device);
      assert.equal(disk.bus, spec.bus ?? 'virtio');
      assert.equal(disk.serial, spec.volumeId);
      assert.equal(disk.alias, `ua-${spec.volumeId}`);
      assert.deepEqual(JSON.parse(JSON.stringify(disk.source)), JSON.parse(JSON.stringify(spec.source)));
      assert.deepEqual(disk.iotune, spec.iotune ?? {});
      assert.equal(disk.readOnly, spec.readOnly ?? false);
      assert.equal(disk.shareable, spec.shareable ?? false);
    }
  });

  it('says nothing about what the document does not say', () => {
    assert.deepEqual(listDisks('<domain><devices><disk/></devices></domain>'), [
      {
        target: null,
        bus: null,
        device: 'disk',
        type: 'file',
        serial: null,
        alias: null,
        source: null,
        iotune: {},
        readOnly: false,
        shareable: false,
      },
    ]);
  });

  it('takes the disk itself, not its backing chain or mirror', () => {
    const [disk] = listDisks(fixture('nested-targets'));
    assert.equal(disk?.target, 'vda');
    assert.equal(disk?.type, 'file');
  });

  it('reads the older place of CHAP, and defaults', () => {
    const xml = `<domain><devices><disk type='network'>
      <auth username='u'><secret type='iscsi' uuid='1'/></auth>
      <source protocol='iscsi' name='iqn.2026-01.a:b'><host name='h'/></source>
      <iotune><read_iops_sec> 07 </read_iops_sec><write_iops_sec>many</write_iops_sec></iotune>
    </disk></devices></domain>`;
    const [disk] = listDisks(xml);
    assert.deepEqual(disk?.source, {
      type: 'iscsi',
      host: 'h',
      port: 3260,
      iqn: 'iqn.2026-01.a:b',
      lun: 0,
      initiator: undefined,
      chap: { username: 'u', secretUuid: '1' },
    });
    assert.deepEqual(disk?.iotune, { read_iops_sec: 7 });
  });
});
