import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planAttach } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { planDetach } from '#compute-agent/libvirt/domain-xml/detach.ts';
import type { DiskSpec } from '#compute-agent/libvirt/domain-xml/disk-xml.ts';
import { decodeXml } from '#compute-agent/libvirt/domain-xml/encoding.ts';

export const VOLUME = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

export const FIXTURES = join(import.meta.dirname, '../../../fixtures/domain-xml');

/** The plainest request: one block device on virtio. */
export const BLOCK: DiskSpec = { volumeId: VOLUME, source: { type: 'block', dev: '/dev/vg/volume' } };

/** One of each: sources, buses, flags, characters that need escaping. */
export const SPECS: readonly DiskSpec[] = [
  BLOCK,
  {
    volumeId: VOLUME,
    bus: 'scsi',
    source: {
      type: 'iscsi',
      host: 'fe80::1',
      port: 3261,
      iqn: 'iqn.2026-01.org.example:volume-1',
      lun: 7,
      initiator: 'iqn.2026-01.org.example:host',
      chap: { username: 'user-1', secretUuid: VOLUME },
    },
    iotune: {
      total_iops_sec: 5,
      total_iops_sec_max: 9,
      total_iops_sec_max_length: 3,
      size_iops_sec: 4096,
      read_bytes_sec: 1,
      group_name: 'a <b> & c',
    },
  },
  {
    volumeId: VOLUME,
    bus: 'sata',
    source: { type: 'block', dev: "/dev/disk/by-label/it's <é> & 🚀" },
    readOnly: true,
    shareable: true,
    discard: true,
  },
];

/** Every fixture: its file name and its bytes. */
export function fixtures(): { name: string; bytes: Buffer }[] {
  return readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.xml'))
    .toSorted()
    .map((name) => ({ name, bytes: readFileSync(join(FIXTURES, name)) }));
}

/** One fixture as text. */
export function fixture(name: string): string {
  return decodeXml(readFileSync(join(FIXTURES, `${name}.xml`))).text;
}

/** Attaches as the command does: bytes to bytes. */
export function attachBytes(bytes: Uint8Array, spec: DiskSpec): Uint8Array {
  const { text, unicode, encode } = decodeXml(bytes);
  return encode(planAttach(text, spec, { ascii: !unicode }).splices);
}

/** Detaches as the command does: bytes to bytes. */
export function detachBytes(bytes: Uint8Array, volumeId: string): Uint8Array {
  const { text, encode } = decodeXml(bytes);
  return encode(planDetach(text, volumeId));
}
