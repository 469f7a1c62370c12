/** A logical unit as `show` prints it. */
export interface TgtLun {
  readonly lun: number;
  readonly scsiId: string;
  readonly scsiSn: string;
  /** tgtd's own rounding; see shownMegabytes. */
  readonly megabytes: number;
  readonly online: boolean;
  readonly thin: boolean;
  readonly path: string;
}

/** A target as `show` prints it. */
export interface TgtTarget {
  readonly tid: number;
  readonly name: string;
  readonly ready: boolean;
  /** Session numbers; a closed session stays until its last command is done. */
  readonly sessions: readonly number[];
  readonly luns: readonly TgtLun[];
  /** CHAP user names, in slot order. */
  readonly accounts: readonly string[];
  /** Initiator names and addresses that may log in. */
  readonly initiators: readonly string[];
}

/** One TCP connection of a session. */
export interface TgtConnection {
  readonly sid: number;
  readonly cid: number;
  readonly initiator: string;
}

type Fields = Map<string, string>;

/**
 * Reads what tgtd prints for "show all targets" (`tgt_target_show_all`, usr/target.c): four spaces per level, one
 * section per kind.
 * @throws Error for a target number that does not follow its predecessor. tgtd prints them in ascending order, and prints
 *   a logged-in initiator's name and alias unescaped, so that a line break in one could otherwise pose as a target.
 */
export function parseTargets(text: string): TgtTarget[] {
  const targets: TgtTarget[] = [];
  for (const block of blocks(text.split('\n'), /^Target (\d+): (\S+)$/)) {
    const tid = Number(block.head[1]);
    if (tid <= (targets.at(-1)?.tid ?? 0)) throw new Error('tgtd’s list of targets is not in order');
    targets.push(parseTarget(tid, block.head[2] ?? '', block.lines));
  }
  return targets;
}

function parseTarget(tid: number, name: string, lines: readonly string[]): TgtTarget {
  const sections = new Map(
    [...blocks(lines, /^ {4}(\S.*):$/)].map(({ head, lines }) => [head[1] ?? '', lines] as const),
  );
  const section = (title: string): readonly string[] => sections.get(title) ?? [];
  const system = fields(section('System information'));
  const items = (title: string): string[] =>
    section(title).flatMap((line) => /^ {8}(\S.*)$/.exec(line)?.[1] ?? []);
  return {
    tid,
    name,
    ready: system.get('State') === 'ready',
    sessions: [...blocks(section('I_T nexus information'), /^ {8}I_T nexus: (\d+)$/)].map(({ head }) =>
      Number(head[1]),
    ),
    luns: [...blocks(section('LUN information'), /^ {8}LUN: (\d+)$/)].map(({ head, lines }) =>
      parseLun(Number(head[1]), fields(lines)),
    ),
    accounts: items('Account information').filter((user) => !user.endsWith(' (outgoing)')),
    initiators: items('ACL information'),
  };
}

function parseLun(lun: number, found: Fields): TgtLun {
  return {
    lun,
    scsiId: found.get('SCSI ID') ?? '',
    scsiSn: found.get('SCSI SN') ?? '',
    megabytes: Number(/^(\d+) MB,/.exec(found.get('Size') ?? '')?.[1] ?? Number.NaN),
    online: found.get('Online') === 'Yes',
    thin: found.get('Thin-provisioning') === 'Yes',
    path: found.get('Backing store path') ?? '',
  };
}

/** Reads "show the connections of a target" (`iscsi_target_show_connections`, usr/iscsi/target.c). */
export function parseConnections(text: string): TgtConnection[] {
  const connections: TgtConnection[] = [];
  for (const session of blocks(text.split('\n'), /^Session: (\d+)$/))
    for (const { head, lines } of blocks(session.lines, /^ {4}Connection: (\d+)$/))
      connections.push({
        sid: Number(session.head[1]),
        cid: Number(head[1]),
        initiator: fields(lines).get('Initiator') ?? '',
      });
  return connections;
}

/** Reads "show all accounts" (`account_show`, usr/target.c): a heading, and a name on each line. */
export function parseAccounts(text: string): string[] {
  return text.split('\n').flatMap((line) => /^ {4}(\S.*)$/.exec(line)?.[1] ?? []);
}

/** The number of "MB" that tgtd prints for this many bytes (`print_disksize`, usr/target.c). */
export function shownMegabytes(bytes: number): number {
  const sectors = BigInt(bytes) / 512n;
  return Number((sectors - (sectors / 625n - 974n)) / 1950n);
}

/** Splits lines into blocks that begin with a matching line; what stands before the first is dropped. */
function* blocks(
  lines: readonly string[],
  start: RegExp,
): Generator<{ head: RegExpExecArray; lines: string[] }> {
  let current: { head: RegExpExecArray; lines: string[] } | undefined;
  for (const line of lines) {
    const head = start.exec(line);
    if (head === null) {
      current?.lines.push(line);
      continue;
    }
    if (current !== undefined) yield current;
    current = { head, lines: [] };
  }
  if (current !== undefined) yield current;
}

/** `Name: value` lines at whatever depth; the first of a name counts. */
function fields(lines: readonly string[]): Fields {
  const found: Fields = new Map();
  for (const line of lines) {
    const match = /^ +([^:]+): ?(.*)$/.exec(line);
    if (match?.[1] !== undefined && !found.has(match[1])) found.set(match[1], match[2] ?? '');
  }
  return found;
}
