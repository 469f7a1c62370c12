import type { Runner } from '#agent/run.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { backends } from '#storage-agent/backends/config.ts';
import { openBackends } from '#storage-agent/backends/open.ts';

const SOMEWHERE = { host: 'stor1', stateDir: '/nowhere' };

/** The first backend that BLOCKYARD_BACKENDS would give. */
export async function openBackend(setting: string, runner: Runner, where = SOMEWHERE): Promise<Backend> {
  const [opened] = await openAll(setting, runner, where);
  if (opened === undefined) throw new Error('no backend');
  return opened;
}

/** All of them; only those of files ask for the host and its state folder. */
export async function openAll(
  setting: string,
  runner: Runner,
  { host, stateDir } = SOMEWHERE,
): Promise<Backend[]> {
  const config = { host: asId<HostName>(host), stateDir, backends: backends.parse(setting) };
  return (await openBackends(config, runner)).map(({ backend }) => backend);
}
