/** What virsh writes, as values. The formats are those of LC_ALL=C; recorded ones stand in test/fixtures/virsh. */

export interface Dominfo {
  readonly name: string;
  readonly uuid: string;
  /** Has a QEMU process: running, paused, going down … */
  readonly active: boolean;
  readonly persistent: boolean;
}

/** @throws Error when a line is missing. */
export function parseDominfo(text: string): Dominfo {
  const fields = parseFields(text);
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`virsh dominfo did not tell ${name}`);
    return value;
  };
  return {
    name: field('Name'),
    uuid: field('UUID').toLowerCase(),
    active: field('Id') !== '-',
    persistent: field('Persistent') === 'yes',
  };
}

/** `list --all --uuid --name`: a UUID and a name on each line. A name may hold blanks. */
export function parseDomainList(text: string): { uuid: string; name: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, uuid, name] = /^\s*([0-9a-f-]{36})\s+(.*?)\s*$/.exec(line) ?? [];
    return uuid === undefined || name === undefined ? [] : [{ uuid, name }];
  });
}

/** `domstats`: for each domain its name and what was asked about it, `state.state` → `1`. */
export function parseDomstats(text: string): Map<string, ReadonlyMap<string, string>> {
  const domains = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of text.split('\n')) {
    const name = /^Domain: '(.*)'$/.exec(line)?.[1];
    if (name !== undefined) domains.set(name, (current = new Map()));
    const [, key, value] = /^ {2}([^=\s]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) current?.set(key, value);
  }
  return domains;
}

/** `name: value` lines (`dominfo`, `blkdeviotune`), blanks around both cut. */
export function parseFields(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const];
    }),
  );
}
