import type { Backend } from './backend.ts';
import type { BackendConfig } from './config.ts';
import { createFileBackend } from './file.ts';
import { createNoopBackend } from './noop.ts';

/** A backend with what the configuration says about it. */
export interface OpenBackend {
  readonly config: BackendConfig;
  readonly backend: Backend;
}

/** Opens the configured backends. */
export function openBackends(configs: readonly BackendConfig[]): Promise<OpenBackend[]> {
  return Promise.all(configs.map(async (config) => ({ config, backend: await openBackend(config) })));
}

async function openBackend(config: BackendConfig): Promise<Backend> {
  if (config.kind === 'noop') return createNoopBackend(config.total_gib);
  return createFileBackend(config.path);
}
