import { isIPv6 } from 'node:net';
import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import { checkDiskSpec, DEFAULT_BUS, type DiskSource, type DiskSpec } from './disk-spec.ts';

export type { DiskSpec } from './disk-spec.ts';

/** How the text of a `<disk>` is to look. */
export interface DiskLayout {
  /** What the line of `<disk>` itself is indented by; the first line is not. */
  readonly indent?: string;
  /** What one level adds. Default two spaces. */
  readonly unit?: string;
  /** Between lines; the empty string puts everything on one line. Default `\n`. */
  readonly newline?: string;
  /** Namespace prefix with its colon, for a document that has one. */
  readonly prefix?: string;
  /** Write characters beyond ASCII as character references. */
  readonly ascii?: boolean;
  /** The `name` of `<driver>`; null leaves it out. Default `qemu`. */
  readonly driver?: string | null;
}

/** A spec whose device name is decided. */
export type PlacedDiskSpec = DiskSpec & { readonly device: string };

type Line = readonly [depth: number, markup: string];

/**
 * The `<disk>` of one volume, in the order libvirt writes. Values of zero in `iotune` mean "no limit" and are left out.
 * Block devices get `io='native'`; QEMU's iSCSI driver has no such choice.
 * Source: libvirt formatdomain, "Hard drives, floppy disks, CDROMs".
 * @throws DomainXmlError if a part of the spec can't stand in a domain XML.
 */
export function diskXml(spec: PlacedDiskSpec, layout: DiskLayout = {}): string {
  checkDiskSpec(spec);
  const { indent = '', unit = '  ', newline = '\n', prefix = '', ascii = false } = layout;
  const lines = diskLines(
    spec,
    new Markup(prefix, ascii),
    layout.driver === undefined ? 'qemu' : layout.driver,
  );
  return lines
    .map(([depth, markup]) => (newline === '' ? markup : indent + unit.repeat(depth) + markup))
    .join(newline)
    .slice(newline === '' ? 0 : indent.length);
}

function diskLines(spec: PlacedDiskSpec, xml: Markup, driverName: string | null): Line[] {
  const { source, volumeId } = spec;
  const block = source.type === 'block';
  const driver: Attributes = [
    ['name', driverName],
    ['type', 'raw'],
    ['cache', 'none'],
    ['io', block ? 'native' : null],
    ['discard', (spec.discard ?? (block && source.discard)) ? 'unmap' : null],
  ];
  const target: Attributes = [
    ['dev', spec.device],
    ['bus', spec.bus ?? DEFAULT_BUS],
  ];
  return [
    [
      0,
      xml.open('disk', [
        ['type', block ? 'block' : 'network'],
        ['device', 'disk'],
      ]),
    ],
    [1, xml.empty('driver', driver)],
    ...sourceLines(source, xml),
    [1, xml.empty('target', target)],
    ...iotuneLines(spec.iotune ?? {}, xml),
    ...(spec.readOnly ? [[1, xml.empty('readonly')] as const] : []),
    ...(spec.shareable ? [[1, xml.empty('shareable')] as const] : []),
    [1, xml.text('serial', volumeId)],
    [1, xml.empty('alias', [['name', `ua-${volumeId}`]])],
    [0, xml.close('disk')],
  ];
}

function sourceLines(source: DiskSource, xml: Markup): Line[] {
  const encryption = encryptionLines(source, xml);
  if (source.type === 'block') {
    const dev: Attributes = [['dev', source.dev]];
    return encryption.length === 0
      ? [[1, xml.empty('source', dev)]]
      : [[1, xml.open('source', dev)], ...encryption, [1, xml.close('source')]];
  }
  const { host, port, iqn, lun, initiator, chap } = source;
  const lines: Line[] = [
    [
      1,
      xml.open('source', [
        ['protocol', 'iscsi'],
        ['name', `${iqn}/${lun}`],
      ]),
    ],
    [
      2,
      xml.empty('host', [
        ['name', schemaHost(host)],
        ['port', String(port)],
      ]),
    ],
  ];
  if (chap !== undefined) {
    lines.push(
      [2, xml.open('auth', [['username', chap.username]])],
      [
        3,
        xml.empty('secret', [
          ['type', 'iscsi'],
          ['uuid', chap.secretUuid],
        ]),
      ],
      [2, xml.close('auth')],
    );
  }
  if (initiator !== undefined) {
    lines.push(
      [2, xml.open('initiator')],
      [3, xml.empty('iqn', [['name', initiator]])],
      [2, xml.close('initiator')],
    );
  }
  return [...lines, ...encryption, [1, xml.close('source')]];
}

/** QEMU opens a raw disk with LUKS inside (libvirt formatstorageencryption). */
function encryptionLines({ luksSecretUuid }: DiskSource, xml: Markup): Line[] {
  if (luksSecretUuid === undefined) return [];
  const secret: Attributes = [
    ['type', 'passphrase'],
    ['uuid', luksSecretUuid],
  ];
  return [
    [2, xml.open('encryption', [['format', 'luks']])],
    [3, xml.empty('secret', secret)],
    [2, xml.close('encryption')],
  ];
}

/** libvirt's schema knows only some of the IPv6 addresses that end in an IPv4 one, so these are written in hexadecimal. */
function schemaHost(host: string): string {
  return isIPv6(host) && host.includes('.') ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}

function iotuneLines(iotune: Iotune, xml: Markup): Line[] {
  const limits: Line[] = IOTUNE_KEYS.flatMap((key) =>
    iotune[key] ? [[2, xml.text(key, String(iotune[key]))] as const] : [],
  );
  if (limits.length === 0) return [];
  if (iotune.group_name !== undefined) limits.push([2, xml.text('group_name', iotune.group_name)]);
  return [[1, xml.open('iotune')], ...limits, [1, xml.close('iotune')]];
}

type Attributes = readonly (readonly [name: string, value: string | null])[];

/** Writes tags in libvirt's habit: single quotes, no blank before `/>`. */
class Markup {
  readonly #prefix: string;
  readonly #ascii: boolean;

  constructor(prefix: string, ascii: boolean) {
    this.#prefix = prefix;
    this.#ascii = ascii;
  }

  open(name: string, attributes: Attributes = []): string {
    return `<${this.#start(name, attributes)}>`;
  }

  empty(name: string, attributes: Attributes = []): string {
    return `<${this.#start(name, attributes)}/>`;
  }

  close(name: string): string {
    return `</${this.#prefix}${name}>`;
  }

  text(name: string, value: string): string {
    return this.open(name) + this.#escape(value) + this.close(name);
  }

  #start(name: string, attributes: Attributes): string {
    const written = attributes.flatMap(([key, value]) =>
      value === null ? [] : [` ${key}='${this.#escape(value)}'`],
    );
    return this.#prefix + name + written.join('');
  }

  #escape(value: string): string {
    const escaped = value
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll("'", '&apos;');
    return this.#ascii ? escaped.replace(/\P{ASCII}/gu, (char) => `&#${char.codePointAt(0)};`) : escaped;
  }
}
