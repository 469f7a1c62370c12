import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** What tells one machine from another, whatever both are called. */
export interface Machine {
  /** The same after a reboot; clones of a disk have the same. */
  readonly id: string;
  /** Another at each boot: no two machines that run have the same. */
  readonly boot: string;
  /** What it calls itself, for people. */
  readonly name: string;
}

/** This one. Ids are hashed: machine-id(5) asks that the file's own words stay on the machine. */
export async function thisMachine(): Promise<Machine> {
  const [id, boot] = await Promise.all([
    // Not every container has one.
    readFile('/etc/machine-id', 'utf8').catch(() => ''),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
  ]);
  return { id: hashed('machine', id), boot: hashed('boot', boot), name: hostname() };
}

function hashed(what: string, text: string): string {
  return createHash('sha256').update(`blockyard ${what} ${text.trim()}`).digest('hex').slice(0, 32);
}
