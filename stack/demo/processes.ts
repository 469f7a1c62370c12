import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, told apart from a later one with the same number by its start time. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Clock ticks since boot. */
  readonly began: string;
}

/**
 * This process's children with all that they started, and the guest's QEMU, which libvirt makes nobody's child.
 * @param domain the guest's name.
 */
export function ownProcesses(domain?: string): ProcessFacts[] {
  const all = readdirSync('/proc').flatMap((entry) => (/^\d+$/.test(entry) ? (factsOf(entry) ?? []) : []));
  const own = new Set([process.pid]);
  // Parents mostly have lower numbers, but numbers wrap around.
  for (let before = 0; before < own.size; ) {
    before = own.size;
    for (const { pid, parent } of all) if (own.has(parent)) own.add(pid);
  }
  const isGuest = (pid: number): boolean =>
    domain !== undefined && commandLine(pid).includes(`\0guest=${domain},`);
  return all.filter(({ pid }) => pid !== process.pid && (own.has(pid) || isGuest(pid)));
}

/** Those of them that still run, after a moment for the last ones to end. */
export async function survivors(
  processes: readonly ProcessFacts[],
  graceMs = 3_000,
): Promise<ProcessFacts[]> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const left = processes.filter(({ pid, began }) => factsOf(String(pid))?.began === began);
    if (left.length === 0 || performance.now() > deadline) return left;
    await sleep(20);
  }
}

/** Fields of /proc/PID/stat, see proc(5); undefined for one that is gone, or only waits to be reaped. */
function factsOf(pid: string): ProcessFacts | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return {
    pid: Number(pid),
    parent: Number(fields[1]),
    name: basename(commandLine(Number(pid)).split(/[\0 ]/, 1)[0] ?? ''),
    began: fields[19] ?? '',
  };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
