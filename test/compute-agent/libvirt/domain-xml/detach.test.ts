import assert from 'node:assert/strict';
import { attachDisk } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { detachDisk } from '#compute-agent/libvirt/domain-xml/detach.ts';
import { BLOCK, fixture, VOLUME } from './documents.ts';

const REWRITTEN = `    <disk device="disk" type="network">
      <!-- by another program --><serial>
        ${VOLUME}
      </serial>
      <alias name="virtio-disk9"/><target bus="virtio" dev="vdz"/>
      <backingStore/>
      <address type="pci" slot="0x09"/>
    </disk>
`;

describe('detachDisk', () => {
  it('finds a disk by its serial, whoever wrote it', () => {
    const xml = fixture('no-disk');
    const rewritten = xml.replace('    <controller', `${REWRITTEN}    <controller`);
    assert.equal(detachDisk(rewritten, VOLUME).xml, xml);
  });

  it('finds a disk by its alias where the serial is gone', () => {
    const xml = fixture('plain');
    const attached = attachDisk(xml, BLOCK).xml.replace(/\s*<serial>.*<\/serial>/, '');
    assert.equal(detachDisk(attached, VOLUME).xml, xml);
  });

  it('takes a serial written with entities and CDATA for what it says', () => {
    const xml = fixture('plain').replace('<target', '<serial>a&#x2d;<![CDATA[b]]></serial><target');
    assert.doesNotMatch(detachDisk(xml, 'a-b').xml, /<disk/);
  });

  it('refuses a volume that is not there', () => {
    for (const name of ['plain', 'devices-absent', 'metadata-traps']) {
      assert.throws(() => detachDisk(fixture(name), VOLUME), /is not attached to this domain/);
    }
  });

  it('refuses to guess between two disks of one serial, unless the alias tells', () => {
    const twin = `    <disk type='file'><target dev='vdx'/><serial>${VOLUME}</serial></disk>\n`;
    const xml = fixture('no-disk').replace('    <controller', `${twin}    <controller`);
    const { xml: attached } = attachDisk(fixture('no-disk'), BLOCK);
    const both = attached.replace('    <controller', `${twin}    <controller`);
    assert.equal(detachDisk(both, VOLUME).xml, xml);
    const neither = xml.replace('    <controller', `${twin}    <controller`);
    assert.throws(() => detachDisk(neither, VOLUME), /several disks have the serial .*: vdx, vdx/);
  });

  it('refuses a disk that an entity brought in', () => {
    const xml = `<!DOCTYPE domain [<!ENTITY d "<disk><serial>${VOLUME}</serial></disk>">]><domain><devices>&d;</devices></domain>`;
    assert.throws(() => detachDisk(xml, VOLUME), /comes from an entity/);
  });
});
