import { readFileSync } from 'node:fs';

/** Whether a process runs; one that has ended and was not waited for yet (a zombie) does not. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Resolves as soon as a process is gone; false after `deadlineMs`. */
export async function gone(pid: number, deadlineMs = 5_000): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  while (alive(pid)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
