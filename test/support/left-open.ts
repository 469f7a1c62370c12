import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';

/** How long a process with nothing left to do takes to end, generously. */
const GRACE_MS = 20_000;

/** Names on stderr what keeps this process alive, should it still be there some seconds after its work has ended. */
export function nameWhatKeepsAlive(): void {
  setTimeout(() => {
    // Node keeps such as have been used (by `openAsBlob`) for the next time: they hold nobody up.
    const held = process.getActiveResourcesInfo().filter((name) => name !== 'FileHandleReadWrap');
    console.error(`Still open: ${held.join(', ')}`);
    // Not documented, and the only way to learn of which process or address a handle is.
    const active = Reflect.get(process, '_getActiveHandles') as (() => unknown[]) | undefined;
    for (const handle of active?.call(process) ?? []) console.error(`  ${nameOf(handle)}`);
  }, GRACE_MS).unref();
}

function nameOf(handle: unknown): string {
  const { pid, spawnargs } = handle as Partial<ChildProcess>;
  if (spawnargs !== undefined) return `process ${pid}: ${spawnargs.join(' ').slice(0, 200)}`;
  const { localAddress, localPort, remoteAddress, remotePort, readyState, bytesRead, bytesWritten } =
    handle as Partial<Socket>;
  const kind = (handle as object).constructor.name;
  const ends = `${localAddress ?? ''}:${localPort ?? ''} - ${remoteAddress ?? ''}:${remotePort ?? ''}`;
  return `${kind} ${ends} ${readyState}, ${bytesRead} bytes read, ${bytesWritten} written`;
}
