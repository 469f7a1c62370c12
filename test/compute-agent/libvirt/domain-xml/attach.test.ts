import assert from 'node:assert/strict';
import { attachDisk, firstFreeDevice } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { attachBytes, BLOCK, fixture, fixtures, VOLUME } from './documents.ts';

const DISK = (device: string): string => `<disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='native'/>
      <source dev='/dev/vg/volume'/>
      <target dev='${device}' bus='virtio'/>
      <serial>${VOLUME}</serial>
      <alias name='ua-${VOLUME}'/>
    </disk>`;

describe('attachDisk', () => {
  it('puts the disk behind the last one, indented as that is', () => {
    const xml = fixture('plain');
    assert.deepEqual(attachDisk(xml, BLOCK), {
      xml: xml.replace('    </disk>\n', `    </disk>\n    ${DISK('vdb')}\n`),
      device: 'vdb',
    });
  });

  it('leaves a remark on the line of the disk it is about', () => {
    const xml = fixture('disks-apart');
    assert.equal(attachDisk(xml, BLOCK).xml, xml.replace('<!--b-->', `<!--b-->\n    ${DISK('vdc')}`));
  });

  it('puts a first disk behind the emulator, or first', () => {
    const bare = fixture('no-disk');
    assert.equal(attachDisk(bare, BLOCK).xml, bare.replace('</emulator>', `</emulator>\n    ${DISK('vda')}`));
    const headless = fixture('no-emulator');
    assert.equal(
      attachDisk(headless, BLOCK).xml,
      headless.replace('<devices>', `<devices>\n    ${DISK('vda')}`),
    );
  });

  it('opens <devices/>, and adds it where libvirt would', () => {
    assert.ok(
      attachDisk(fixture('devices-self-closed'), BLOCK).xml.includes(
        `  <devices>\n    ${DISK('vda')}</devices>`,
      ),
    );
    const { xml } = attachDisk(fixture('devices-absent-seclabel'), BLOCK);
    assert.ok(
      xml.includes(`<!-- host clock -->\n  <devices>\n\n    ${DISK('vda')}\n  </devices>\n  <seclabel`),
      xml,
    );
  });

  it('keeps the style of the document: line ends, tabs, one line, prefix', () => {
    assert.doesNotMatch(attachDisk(fixture('crlf'), BLOCK).xml, /[^\r]\n/);
    assert.match(
      attachDisk(fixture('tabs'), BLOCK).xml,
      /\n\t\t<disk type='block' device='disk'>\n\t\t\t<driver /,
    );
    assert.doesNotMatch(attachDisk(fixture('one-line'), BLOCK).xml, /\n/);
    const prefixed = attachDisk(fixture('prefixed-domain'), BLOCK);
    assert.match(prefixed.xml, /<v:disk type='block' device='disk'>\n {6}<v:driver /);
    assert.equal(prefixed.device, 'vdb');
  });

  it('writes characters beyond ASCII as they are, and as references where the encoding is none of Unicode', () => {
    const spec = { ...BLOCK, source: { type: 'block', dev: '/dev/é' } } as const;
    assert.match(attachDisk(fixture('plain'), spec).xml, /dev='\/dev\/é'/);
    const { bytes } = fixtures().find(({ name }) => name === 'koi8-r.xml') ?? assert.fail();
    assert.match(Buffer.from(attachBytes(bytes, spec)).toString('latin1'), /dev='\/dev\/&#233;'/);
  });

  it('takes the first name of the bus that no disk of any kind uses', () => {
    const xml = fixture('many-kinds');
    assert.equal(firstFreeDevice(xml, 'virtio'), 'vdb');
    assert.equal(firstFreeDevice(xml, 'scsi'), 'sdd');
    assert.equal(firstFreeDevice(xml, 'sata'), 'sdd');
    assert.equal(firstFreeDevice(fixture('letters-beyond-z'), 'virtio'), 'vdaa');
  });

  it('sees names in entities and in every <devices>, but not in comments, metadata or backing chains', () => {
    assert.equal(firstFreeDevice(fixture('entity-with-disks'), 'virtio'), 'vdc');
    assert.equal(firstFreeDevice(fixture('entities'), 'virtio'), 'vdb');
    assert.equal(firstFreeDevice(fixture('two-devices'), 'virtio'), 'vdc');
    assert.equal(firstFreeDevice(fixture('cdata-comments-instructions'), 'virtio'), 'vdb');
    assert.equal(firstFreeDevice(fixture('metadata-traps'), 'virtio'), 'vdb');
    assert.equal(firstFreeDevice(fixture('nested-targets'), 'virtio'), 'vdb');
  });

  it('takes the name it is given, unless that clashes or fits another bus', () => {
    const xml = fixture('many-kinds');
    assert.equal(attachDisk(xml, { ...BLOCK, device: 'vdq' }).device, 'vdq');
    assert.throws(() => attachDisk(xml, { ...BLOCK, device: 'vdc' }), /device vdc is taken/);
    assert.throws(() => attachDisk(xml, { ...BLOCK, bus: 'sata', device: 'sdb' }), /device sdb is taken/);
    assert.throws(() => attachDisk(xml, { ...BLOCK, device: 'sdx' }), /does not fit bus virtio/);
    assert.throws(() => attachDisk(xml, { ...BLOCK, device: 'vd1' }), /does not fit bus virtio/);
  });

  it('refuses a volume that is there already', () => {
    const { xml } = attachDisk(fixture('plain'), BLOCK);
    assert.throws(() => attachDisk(xml, BLOCK), /is attached already, as vdb/);
    const withoutSerial = xml.replace(/\s*<serial>.*<\/serial>/, '');
    assert.throws(() => attachDisk(withoutSerial, BLOCK), /is attached already, as vdb/);
  });

  it('refuses an alias another device has', () => {
    const xml = fixture('no-disk').replace(
      "index='0'/>",
      `index='0'><alias name='ua-${VOLUME}'/></controller>`,
    );
    assert.throws(() => attachDisk(xml, BLOCK), /another device has the alias/);
  });

  it('refuses other limits in a group another disk is in', () => {
    const group = { group_name: 'shared', read_iops_sec: 5 };
    const { xml } = attachDisk(fixture('plain'), { ...BLOCK, iotune: group });
    const next = { ...BLOCK, volumeId: 'next' };
    assert.throws(
      () => attachDisk(xml, { ...next, iotune: { ...group, read_iops_sec: 6 } }),
      /disk vdb has other limits/,
    );
    assert.equal(attachDisk(xml, { ...next, iotune: group }).device, 'vdc');
  });

  it('names no driver for hypervisors that have others', () => {
    assert.match(attachDisk(fixture('bhyve'), BLOCK).xml, /<driver type='raw' cache='none'/);
  });
});
