import type { Runner } from '#agent/run.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { backends } from '#storage-agent/backends/config.ts';
import { openBackends } from '#storage-agent/backends/open.ts';

/** The backend that BLOCKYARD_BACKENDS would give; only one of files asks for the host and its state folder. */
export async function openBackend(
  setting: string,
  runner: Runner,
  { host, stateDir } = { host: 'stor1', stateDir: '/nowhere' },
): Promise<Backend> {
  const config = { host: asId<HostName>(host), stateDir, backends: backends.parse(setting) };
  const [opened] = await openBackends(config, runner);
  if (opened === undefined) throw new Error('no backend');
  return opened.backend;
}
