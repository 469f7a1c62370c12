import type { Runner } from '#agent/run.ts';
import { asId } from '#schema/ids.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { backends } from '#storage-agent/backends/config.ts';
import { openBackends } from '#storage-agent/backends/open.ts';

/** The backend that BLOCKYARD_BACKENDS would give this host. */
export async function openBackend(setting: string, runner: Runner, host = 'stor1'): Promise<Backend> {
  const [opened] = await openBackends({ host: asId(host), backends: backends.parse(setting) }, runner);
  if (opened === undefined) throw new Error('no backend');
  return opened.backend;
}
