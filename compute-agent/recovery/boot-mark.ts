import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Changes with every boot of this host. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/**
 * Whether servers are to be started because the host was. Like libvirt's own autostart that is due once per boot: a server
 * that somebody stops later stays off, however often the agent starts. Not due when this agent never ran here before.
 */
export async function recoveryIsDue(folder: string, bootId: string): Promise<boolean> {
  const recovered = await readFile(join(folder, MARK), 'utf8').catch(() => null);
  if (recovered === null) await markRecovered(folder, bootId);
  return recovered !== null && recovered.trim() !== bootId;
}

/** Done for this boot. */
export async function markRecovered(folder: string, bootId: string): Promise<void> {
  await writeFile(join(folder, `${MARK}.draft`), `${bootId}\n`, { flush: true });
  await rename(join(folder, `${MARK}.draft`), join(folder, MARK));
  // After a power cut it is what tells this boot from the next.
  await using names = await open(folder, 'r');
  await names.sync();
}

const MARK = 'recovered-boot';
