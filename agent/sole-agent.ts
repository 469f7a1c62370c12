import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * Makes this the only agent that works with `folder`: two would overwrite each other's sequence journal. The claim is
 * a name in Linux's abstract socket namespace, which the kernel frees the moment the process is gone, however it went.
 * @returns what gives the folder up.
 * @throws Error when another agent has it.
 */
export async function beSoleAgent(folder: string): Promise<() => void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = await realpath(folder);
  const claim = createServer().unref();
  claim.listen(`\0blockyard-agent-${createHash('sha256').update(path).digest('hex')}`);
  try {
    await once(claim, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw new Error(`another agent works with ${path}`, { cause: error });
  }
  return () => claim.close();
}
