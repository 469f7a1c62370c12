import assert from 'node:assert/strict';
import { openingOf } from '#compute-agent/libvirt/domain-xml/disk-opening.ts';
import { diskXml } from '#compute-agent/libvirt/domain-xml/disk-xml.ts';
import { readDomain } from '#compute-agent/libvirt/domain-xml/domain-document.ts';

const SECRET = '0b5d2b5e-3c1f-4d57-9a53-5a7b8f5f0a11';
const ISCSI = {
  type: 'iscsi',
  host: '10.0.0.1',
  port: 3260,
  iqn: 'iqn.2010-10.org.example:v',
  lun: 1,
} as const;

describe('how QEMU opens a disk', () => {
  const openings = (...disks: readonly string[]) =>
    readDomain(`<domain><devices>${disks.join('')}</devices></domain>`).disks.map(openingOf);

  it('is read from what we write', () => {
    const [volumeId, device] = ['v', 'vdb'];
    const sources = [
      ISCSI,
      { ...ISCSI, luksSecretUuid: SECRET },
      { type: 'block', dev: '/dev/sdb', discard: true },
    ] as const;
    assert.deepEqual(openings(...sources.map((source) => diskXml({ volumeId, device, source }))), [
      { encryption: null, cache: 'none', io: null, discard: null },
      { encryption: 'luks', cache: 'none', io: null, discard: null },
      { encryption: null, cache: 'none', io: 'native', discard: 'unmap' },
    ]);
  });

  it('is read from what older libvirt and others write', () => {
    const none = { encryption: null, cache: null, io: null, discard: null };
    assert.deepEqual(
      openings(
        `<disk type='file'><source file='/x'/><encryption format='luks'/></disk>`,
        `<disk type='file'/>`,
        `<disk type='file'><driver name='qemu' io='threads'/></disk>`,
      ),
      [{ ...none, encryption: 'luks' }, none, { ...none, io: 'threads' }],
    );
  });
});
