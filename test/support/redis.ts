import { randomBytes } from 'node:crypto';
import { sharedRedis } from './servers.ts';

/** The run's Redis, and a queue prefix that no other test uses. */
export async function createRedis(): Promise<{ readonly url: string; readonly prefix: string }> {
  return { url: await sharedRedis(), prefix: `test-${randomBytes(6).toString('hex')}` };
}
