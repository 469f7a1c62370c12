import { isIPv6 } from 'node:net';
import { type Iotune, iotuneProblem } from '#schema/iotune.ts';
import { DISK_BUSES, type DiskBus, deviceFitsBus } from './device-name.ts';
import { DomainXmlError } from './domain-xml-error.ts';

/** Where a disk's bytes come from: a block device of this host, or QEMU's own iSCSI initiator. */
export type DiskSource = (
  | {
      readonly type: 'block';
      readonly dev: string;
      /** It takes TRIM: pass the guest's on. */
      readonly discard?: boolean | undefined;
    }
  | {
      readonly type: 'iscsi';
      /** Name, IPv4 or IPv6 address (without brackets). */
      readonly host: string;
      readonly port: number;
      readonly iqn: string;
      readonly lun: number;
      /** The IQN that QEMU logs in with. */
      readonly initiator?: string | undefined;
      /** The CHAP name, and the libvirt secret that holds its password. */
      readonly chap?: { readonly username: string; readonly secretUuid: string } | undefined;
    }
) & {
  /** Of a LUKS volume: the libvirt secret that holds its passphrase. */
  readonly luksSecretUuid?: string | undefined;
};

/** What a guest is to get: one volume as one disk. */
export interface DiskSpec {
  /** Becomes the `<serial>` and, after `ua-`, the alias. */
  readonly volumeId: string;
  readonly source: DiskSource;
  /** Default `virtio`. */
  readonly bus?: DiskBus | undefined;
  /** For example `vdb`; by default the first free one of the bus. */
  readonly device?: string | undefined;
  readonly iotune?: Iotune | undefined;
  readonly readOnly?: boolean | undefined;
  readonly shareable?: boolean | undefined;
  /** Pass the guest's TRIM on to the volume. */
  readonly discard?: boolean | undefined;
}

/** QEMU refuses longer serials on a SCSI disk; it cuts them at 20 for virtio and SATA guests. */
const MAX_SCSI_SERIAL = 36;
const MAX_VOLUME_ID = 128;
// Both a serial and, after "ua-", a user alias in libvirt's schema.
const VOLUME_ID = /^[A-Za-z0-9_.-]+$/;
const HOST_NAME = /^[A-Za-z0-9.-]+$/;
const ISCSI_NAME = /^[A-Za-z0-9._:-]{1,223}$/;
const CHAP_NAME = /^[A-Za-z0-9_+-]+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_LUN = 16_383;

/** The default bus is the one every Linux guest drives fastest. */
export const DEFAULT_BUS: DiskBus = 'virtio';

/**
 * Checks what libvirt's schema and QEMU ask of a disk.
 * @throws DomainXmlError naming the part that is wrong.
 */
export function checkDiskSpec(spec: DiskSpec): void {
  const problem = diskSpecProblem(spec);
  if (problem !== null) throw new DomainXmlError(problem);
}

function diskSpecProblem(spec: DiskSpec): string | null {
  const { volumeId, device, source, bus = DEFAULT_BUS } = spec;
  if (!DISK_BUSES.includes(bus)) return `unknown bus ${bus}: expected ${DISK_BUSES.join(', ')}`;
  if (device !== undefined && !deviceFitsBus(device, bus)) return `device ${device} does not fit bus ${bus}`;
  return (
    volumeIdProblem(volumeId) ??
    (bus === 'scsi' && volumeId.length > MAX_SCSI_SERIAL
      ? `volume id ${volumeId} is too long for bus scsi: at most ${MAX_SCSI_SERIAL} characters`
      : null) ??
    diskSourceProblem(source) ??
    iotuneProblem(spec.iotune ?? {})
  );
}

/** Why a text cannot be a volume id, or null. */
export function volumeIdProblem(volumeId: string): string | null {
  if (VOLUME_ID.test(volumeId) && volumeId.length <= MAX_VOLUME_ID) return null;
  return `invalid volume id: expected 1 to ${MAX_VOLUME_ID} letters, digits, "_", "." or "-"`;
}

/** Why a source cannot stand in a domain XML, or null. */
export function diskSourceProblem(source: DiskSource): string | null {
  if (source.luksSecretUuid !== undefined && !UUID.test(source.luksSecretUuid))
    return 'invalid libvirt secret: expected its UUID';
  if (source.type === 'block') return blockProblem(source.dev);
  const { host, port, iqn, lun, initiator, chap } = source;
  if (!isIPv6(host) && !HOST_NAME.test(host)) return 'invalid iSCSI host: expected a name or an IP address';
  if (host.includes('%')) return 'invalid iSCSI host: libvirt takes no IPv6 zone';
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return 'invalid iSCSI port: expected 1 to 65535';
  if (!ISCSI_NAME.test(iqn)) return 'invalid iSCSI target name';
  if (!Number.isInteger(lun) || lun < 0 || lun > MAX_LUN) return `invalid LUN: expected 0 to ${MAX_LUN}`;
  if (initiator !== undefined && !ISCSI_NAME.test(initiator)) return 'invalid iSCSI initiator name';
  if (chap === undefined) return null;
  if (!CHAP_NAME.test(chap.username))
    return 'invalid CHAP name: libvirt takes letters, digits, "_", "+" and "-"';
  return UUID.test(chap.secretUuid) ? null : 'invalid libvirt secret: expected its UUID';
}

function blockProblem(dev: string): string | null {
  if (!dev.startsWith('/dev/')) return 'invalid block device: expected a path below /dev';
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f\ufffe\uffff]/.test(dev) || !dev.isWellFormed())
    return 'invalid block device: control characters';
  const segments = dev.slice('/dev/'.length).split('/');
  return segments.some((segment) => segment === '' || segment === '.' || segment === '..')
    ? 'invalid block device: expected a plain path below /dev'
    : null;
}
