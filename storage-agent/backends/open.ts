import type { Runner } from '#agent/run.ts';
import type { Backend } from './backend.ts';
import type { BackendConfig } from './config.ts';
import { createFileBackend } from './file.ts';
import { createLvmBackend } from './lvm/backend.ts';
import { createLvmDoor } from './lvm/door.ts';
import { thick, thin } from './lvm/provisioning.ts';
import { createNoopBackend } from './noop.ts';

/** A backend with what the configuration says about it. */
export interface OpenBackend {
  readonly config: BackendConfig;
  readonly backend: Backend;
}

/** Opens the configured backends; LVM's groups need not be there yet. */
export function openBackends(configs: readonly BackendConfig[], runner: Runner): Promise<OpenBackend[]> {
  return Promise.all(configs.map(async (config) => ({ config, backend: await openBackend(config, runner) })));
}

async function openBackend(config: BackendConfig, runner: Runner): Promise<Backend> {
  if (config.kind === 'noop') return createNoopBackend(config.total_gib);
  if (config.kind === 'file') return createFileBackend(config.path);
  const door = createLvmDoor(runner, config.vg);
  return createLvmBackend(door, config.kind === 'lvm' ? thick(door) : thin(door, config.pool));
}
