import { isIPv6 } from 'node:net';
import { type DiskSource, diskSourceProblem } from './disk-spec.ts';
import { DomainXmlError } from './domain-xml-error.ts';

const DEFAULT_ISCSI_PORT = 3260;
const ISCSI = /^iscsi:\/\/(?:\[([^\]/]*)\]|([^/:@[\]]*))(?::([0-9]{1,5}))?\/([^/]+)\/([0-9]{1,5})$/;
const EXPECTED = 'expected block:/dev/… or iscsi://host[:port]/iqn/lun';

/**
 * Reads a volume's source from the command line: `block:/dev/PATH` or `iscsi://HOST[:PORT]/IQN/LUN`, IPv6 addresses in
 * brackets, port 3260 unless given.
 * @throws DomainXmlError; what was given is never repeated, as people put passwords into URLs.
 */
export function parseSource(text: string): DiskSource {
  const source = text.startsWith('block:')
    ? { type: 'block' as const, dev: text.slice('block:'.length) }
    : parseIscsi(text);
  const problem = diskSourceProblem(source);
  if (problem !== null) throw new DomainXmlError(`invalid source: ${problem}`);
  return source;
}

function parseIscsi(text: string): DiskSource {
  if (!text.startsWith('iscsi://')) throw new DomainXmlError(`invalid source: ${EXPECTED}`);
  if (text.includes('@')) throw new DomainXmlError('invalid source: credentials do not belong into it');
  const match = ISCSI.exec(text);
  if (match === null) throw new DomainXmlError(`invalid source: ${EXPECTED}`);
  const [, address, name, port, iqn = '', lun] = match;
  if (address !== undefined && !isIPv6(address))
    throw new DomainXmlError('invalid source: invalid IPv6 address');
  return {
    type: 'iscsi',
    host: address ?? name ?? '',
    port: port === undefined ? DEFAULT_ISCSI_PORT : Number(port),
    iqn,
    lun: Number(lun),
  };
}
