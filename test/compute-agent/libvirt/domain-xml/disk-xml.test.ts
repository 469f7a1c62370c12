import assert from 'node:assert/strict';
import { diskXml, type PlacedDiskSpec } from '#compute-agent/libvirt/domain-xml/disk-xml.ts';
import { BLOCK, SPECS, VOLUME } from './documents.ts';

const PLACED: PlacedDiskSpec = { ...BLOCK, device: 'vdb' };
const ISCSI = {
  type: 'iscsi',
  host: '192.0.2.1',
  port: 3260,
  iqn: 'iqn.2026-01.org.example:volume-1',
  lun: 1,
} as const;

describe('diskXml', () => {
  it('writes a block device', () => {
    assert.equal(
      diskXml(PLACED),
      `<disk type='block' device='disk'>
  <driver name='qemu' type='raw' cache='none' io='native'/>
  <source dev='/dev/vg/volume'/>
  <target dev='vdb' bus='virtio'/>
  <serial>${VOLUME}</serial>
  <alias name='ua-${VOLUME}'/>
</disk>`,
    );
  });

  it('writes an iSCSI disk with CHAP by secret, initiator and limits in libvirt order', () => {
    assert.equal(
      diskXml({ ...(SPECS[1] ?? assert.fail()), device: 'sda' }),
      `<disk type='network' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source protocol='iscsi' name='iqn.2026-01.org.example:volume-1/7'>
    <host name='fe80::1' port='3261'/>
    <auth username='user-1'>
      <secret type='iscsi' uuid='${VOLUME}'/>
    </auth>
    <initiator>
      <iqn name='iqn.2026-01.org.example:host'/>
    </initiator>
  </source>
  <target dev='sda' bus='scsi'/>
  <iotune>
    <read_bytes_sec>1</read_bytes_sec>
    <total_iops_sec>5</total_iops_sec>
    <total_iops_sec_max>9</total_iops_sec_max>
    <size_iops_sec>4096</size_iops_sec>
    <total_iops_sec_max_length>3</total_iops_sec_max_length>
    <group_name>a &lt;b&gt; &amp; c</group_name>
  </iotune>
  <serial>${VOLUME}</serial>
  <alias name='ua-${VOLUME}'/>
</disk>`,
    );
  });

  it('writes flags, escapes, and ASCII on request', () => {
    const spec = { ...(SPECS[2] ?? assert.fail()), device: 'sdb' };
    const xml = diskXml(spec, { newline: '', ascii: true });
    assert.match(xml, /<driver name='qemu' type='raw' cache='none' io='native' discard='unmap'\/>/);
    assert.match(xml, /<source dev='\/dev\/disk\/by-label\/it&apos;s &lt;&#233;&gt; &amp; &#128640;'\/>/);
    assert.match(xml, /<readonly\/><shareable\/><serial>/);
  });

  it('leaves out limits of zero, and an empty set', () => {
    const xml = diskXml({ ...PLACED, iotune: { total_bytes_sec: 0, read_bytes_sec: 5 } });
    assert.match(xml, /<iotune>\n {4}<read_bytes_sec>5<\/read_bytes_sec>\n {2}<\/iotune>/);
    assert.doesNotMatch(diskXml({ ...PLACED, iotune: { read_bytes_sec: 0 } }), /iotune/);
  });

  it('writes an IPv6 address with an IPv4 tail as the schema wants it', () => {
    const xml = diskXml({ ...PLACED, source: { ...ISCSI, host: '2001:db8::1:192.0.2.1' } });
    assert.match(xml, /<host name='2001:db8::1:c000:201' port/);
  });

  const refused: Readonly<Record<string, [Partial<PlacedDiskSpec>, RegExp]>> = {
    'an id that is no serial': [{ volumeId: "x'/>" }, /invalid volume id/],
    'an empty id': [{ volumeId: '' }, /invalid volume id/],
    'an id QEMU finds too long': [
      { volumeId: 'x'.repeat(37), bus: 'scsi', device: 'sda' },
      /too long for bus scsi/,
    ],
    'a device of another bus': [{ device: 'sda' }, /does not fit bus virtio/],
    'a path that leaves /dev': [{ source: { type: 'block', dev: '/dev/../etc/passwd' } }, /plain path/],
    'a path with a line break': [{ source: { type: 'block', dev: '/dev/a\nb' } }, /control characters/],
    'a host that is none': [{ source: { ...ISCSI, host: 'a b' } }, /invalid iSCSI host/],
    'an IPv6 zone': [{ source: { ...ISCSI, host: 'fe80::1%eth0' } }, /zone/],
    'port 0': [{ source: { ...ISCSI, port: 0 } }, /invalid iSCSI port/],
    'a target with a slash': [{ source: { ...ISCSI, iqn: 'iqn/1' } }, /invalid iSCSI target/],
    'a LUN beyond 16383': [{ source: { ...ISCSI, lun: 16_384 } }, /invalid LUN/],
    'a CHAP name libvirt refuses': [
      { source: { ...ISCSI, chap: { username: 'a b', secretUuid: VOLUME } } },
      /invalid CHAP name/,
    ],
    'a secret that is no UUID': [
      { source: { ...ISCSI, chap: { username: 'a', secretUuid: 'hunter2' } } },
      /its UUID/,
    ],
    'mixed limits': [{ iotune: { total_iops_sec: 1, read_iops_sec: 1 } }, /cannot stand beside/],
  };
  for (const [name, [part, reason]] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      assert.throws(() => diskXml({ ...PLACED, ...part }), { name: 'DomainXmlError', message: reason });
    });
  }
});
