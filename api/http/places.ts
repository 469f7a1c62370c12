/** What only administrators may know: where on a host things lie, and the addresses of the hosts' networks. */
import type { Caller } from './context.ts';

/** `/dev/vg1/volume-…` → `…/volume-…`. */
const FOLDER = /(?<![\w.…/])\/+(?!…)(?:[^\s/,='"]+\/+)+/g;
const DEVICES = /(--devices) \S+/g;
/** `https://store/bucket/path` → `https://…/path`. */
const URL_HOST = /\b([a-z][a-z\d+.-]*:\/\/)[^\s,'"]+?(\/[^\s/,'"]*)?(?=[\s,'"]|$)/gi;
/** How Go, and so restic, and Node say that a name does not resolve. */
const LOOKED_UP = /\b(lookup|getaddrinfo E[A-Z_]+) [^\s;,]+/g;
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}\b/g;
const IPV6 = /\[[0-9a-f:.]+\]/gi;
/** Without brackets (a port may follow): eight groups, or fewer around `::`, which no time of day has. */
const BARE_IPV6 =
  /(?<![\w:.])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?)(?::\d{1,5})?(?!\w)/gi;

/** An error, a reason or a command, as this caller may read it. */
export function asSeenBy(caller: Pick<Caller, 'isAdmin'>, text: string): string {
  return caller.isAdmin ? text : withoutPlaces(text);
}

function withoutPlaces(text: string): string {
  return text
    .replaceAll(URL_HOST, '$1…$2')
    .replaceAll(LOOKED_UP, '$1 …')
    .replaceAll(DEVICES, '$1 …')
    .replaceAll(FOLDER, '…/')
    .replaceAll(IPV4, '…')
    .replaceAll(IPV6, '…')
    .replaceAll(BARE_IPV6, '…');
}
