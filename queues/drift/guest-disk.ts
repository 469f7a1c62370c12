import type { DiskItem } from '#schema/inventory.ts';
import type { Finding } from './difference.ts';
import type { AttachmentRow } from './rows.ts';

/** What a guest's disk should be. */
interface Wanted {
  readonly row: AttachmentRow;
  readonly sizeBytes: number;
  readonly encrypted: boolean;
}

/** The disk in the running guest, and in the definition that it starts with next time. */
interface Found {
  readonly live: DiskItem | undefined;
  readonly config: DiskItem | undefined;
}

type Part = Pick<Finding, 'kind' | 'wanted' | 'found' | 'repair' | 'care' | 'action'>;

/** More than any LUKS header takes of a volume, and less than the step in which volumes grow. */
const HEADER_BYTES = 32 * 1024 ** 2;

/** What QEMU makes of a disk that is the right one. Of an agent that does not tell nothing is said. */
export function compareGuestDisk(wanted: Wanted, found: Found): Part[] {
  const { encrypted } = wanted;
  return [
    ...opened('disk-encryption', encrypted ? 'opened as LUKS' : 'opened as it is', found, (disk) =>
      encryptionText(encrypted, disk),
    ),
    ...opened('disk-driver', 'opened as Blockyard writes it', found, driverText),
    ...compareSize(wanted, found.live),
  ];
}

function opened(
  kind: string,
  wanted: string,
  { live, config }: Found,
  text: (disk: DiskItem) => string | null,
): Part[] {
  const [inGuest, inDefinition] = [live, config].map((disk) => (disk === undefined ? null : text(disk)));
  const found = [
    ...(inGuest == null ? [] : [`in the running guest ${inGuest}`]),
    ...(inDefinition == null ? [] : [`in its definition ${inDefinition}`]),
  ];
  if (found.length === 0) return [];
  const repair =
    config !== undefined && inDefinition === null
      ? 'Stop the server and start it: its definition is right.'
      : 'Detach the volume and attach it again.';
  return [{ kind, wanted, found: found.join('; '), repair, care: 'none' }];
}

function encryptionText(encrypted: boolean, { opening }: DiskItem): string | null {
  if (opening === undefined || opening.encryption === (encrypted ? 'luks' : null)) return null;
  return opening.encryption === null ? 'it is not decrypted' : `it is opened as ${opening.encryption}`;
}

/**
 * As compute-agent/libvirt/domain-xml/disk-xml.ts has it. Where the kernel has logged in, whether a guest's discards are passed on is
 * the device's choice.
 */
function driverText({ opening, source }: DiskItem): string | null {
  if (opening === undefined) return null;
  const block = source?.startsWith('/dev/') === true;
  const wrong = [
    isNot('cache', opening.cache, 'none'),
    isNot('io', opening.io, block ? 'native' : null),
    block ? null : isNot('discard', opening.discard, null),
  ].filter((text) => text !== null);
  return wrong.length === 0 ? null : wrong.join(' and ');
}

function isNot(what: string, found: string | null, wanted: string | null): string | null {
  return found === wanted
    ? null
    : `its ${what} is ${found ?? 'QEMU’s choice'}, not ${wanted ?? 'QEMU’s choice'}`;
}

function compareSize({ row, sizeBytes, encrypted }: Wanted, live: DiskItem | undefined): Part[] {
  const least = encrypted ? sizeBytes - HEADER_BYTES : sizeBytes;
  if (live?.sizeBytes === undefined || live.sizeBytes >= least) return [];
  return [
    {
      kind: 'disk-smaller',
      wanted: `${sizeBytes} bytes${encrypted ? ' with their LUKS header' : ''}`,
      found: `the running guest sees ${live.sizeBytes} bytes`,
      repair: 'Tell the guest.',
      care: 'safe',
      action: { do: 'resize', volumeId: row.volume_id, attachmentId: row.id },
    },
  ];
}
