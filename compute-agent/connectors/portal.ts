import { isIPv6 } from 'node:net';
import { TaskError } from '#schema/tasks.ts';

/** Where a target listens. */
export interface Portal {
  /** Name, IPv4 or IPv6 address; the latter without brackets, in the one spelling of RFC 5952. */
  readonly host: string;
  readonly port: number;
}

const PORTAL = /^(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9.-]+)):(?<port>\d{1,5})$/;

/**
 * `address:port`, IPv6 in brackets.
 * @throws TaskError `invalid`
 */
export function parsePortal(portal: string): Portal {
  const { ipv6, name, port } = PORTAL.exec(portal)?.groups ?? {};
  const host = ipv6 === undefined ? name : canonical(ipv6);
  if (host === undefined) throw new TaskError('invalid', `portal ${portal} is not address:port`);
  return { host, port: Number(port) };
}

/** As a program's argument or a message has it: IPv6 in brackets. */
export function portalText({ host, port }: Portal): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function canonical(address: string): string | undefined {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : undefined;
}
