import { parseDomstats } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { VirshError } from '../libvirt/virsh/virsh-error.ts';

/** Bytes that running guests take their disks for: by the domain's name and the disk's target, `vdb`. */
export type GuestSizes = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** One command for all of them, which waits for no QEMU; who tells nothing is not in it. */
export async function guestSizes(virsh: Virsh): Promise<GuestSizes> {
  try {
    const stats = parseDomstats(await virsh.run(['domstats', '--list-active', '--block', '--nowait']));
    return new Map([...stats].map(([name, facts]) => [name, sizesIn(facts)]));
  } catch (error) {
    // All else that the host has can be told without it.
    if (error instanceof VirshError) return new Map();
    throw error;
  }
}

function sizesIn(facts: ReadonlyMap<string, string>): ReadonlyMap<string, number> {
  return new Map(
    [...facts].flatMap(([key, target]): [string, number][] => {
      const bytes = Number(facts.get(key.replace(/\.name$/, '.capacity')) ?? 0);
      return /^block\.\d+\.name$/.test(key) && bytes > 0 ? [[target, bytes]] : [];
    }),
  );
}
