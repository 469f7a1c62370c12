import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Remembers a process beyond the life of this one, in a way that a reused pid cannot fool. */
export async function rememberProcess(file: string, pid: number): Promise<void> {
  await writeFile(file, `${pid} ${startTime(pid) ?? ''}`);
}

/**
 * Waits until the process that `file` remembers is gone: a server whose supervisor was killed is still shutting down for a
 * moment, and two of them must never share a data folder. Kills it at the deadline.
 */
export async function awaitRemembered(file: string, deadlineMs = 20_000): Promise<void> {
  if (!existsSync(file)) return;
  const [pid, began] = (await readFile(file, 'utf8')).split(' ');
  const runs = () => began !== '' && startTime(Number(pid)) === began;
  const deadline = performance.now() + deadlineMs;
  while (runs()) {
    if (performance.now() > deadline) process.kill(Number(pid), 'SIGKILL');
    await sleep(20);
  }
}

/** In clock ticks since boot, field 22 of /proc/PID/stat; undefined when it doesn't run. See proc(5). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
