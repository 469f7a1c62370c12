import type { Runner } from '#agent/run.ts';
import { createQemuImg } from '../images/qemu-img.ts';
import type { Backend, CopyDisk } from './backend.ts';
import type { BackendConfig } from './config.ts';
import { createFileBackend } from './file/backend.ts';
import { type Claimant, claimFolder } from './file/owner.ts';
import { createLvmBackend } from './lvm/backend.ts';
import { createLvmDoor } from './lvm/door.ts';
import { type CacheLimits, createImageCache } from './lvm/image-cache.ts';
import { thick, thin } from './lvm/provisioning.ts';
import { createShelf } from './lvm/shelf.ts';
import { createNoopBackend } from './noop.ts';

/** A backend with what the configuration says about it. */
export interface OpenBackend {
  readonly config: BackendConfig;
  readonly backend: Backend;
}

/**
 * Opens the configured backends; LVM's groups need not be there yet.
 * @throws Error when a folder is another host's, or not the one that it was
 */
export function openBackends(
  { backends, ...claimant }: Claimant & { readonly backends: readonly BackendConfig[] },
  runner: Runner,
): Promise<OpenBackend[]> {
  return Promise.all(
    backends.map(async (config) => ({ config, backend: await openBackend(config, claimant, runner) })),
  );
}

async function openBackend(config: BackendConfig, claimant: Claimant, runner: Runner): Promise<Backend> {
  if (config.kind === 'noop') return createNoopBackend(config.total_gib);
  if (config.kind === 'file') {
    const backend = await createFileBackend(config.path, runner);
    await claimFolder(config.path, claimant);
    return backend;
  }
  const door = createLvmDoor(runner, config.vg);
  const provisioning = config.kind === 'lvm' ? thick(door) : thin(door, config.pool);
  const shelf = createShelf(door, provisioning);
  const limits = config.kind === 'lvm-thin' ? cacheLimits(config) : null;
  const cache = limits === null ? null : createImageCache(shelf, provisioning.pool, limits);
  return createLvmBackend({ shelf, provisioning, copyDisk: copyDiskWith(runner), cache });
}

function cacheLimits(config: BackendConfig & { kind: 'lvm-thin' }): CacheLimits | null {
  const { image_cache_count: count, image_cache_gib: gib } = config;
  return count === 0 ? null : { count, gib };
}

function copyDiskWith(runner: Runner): CopyDisk {
  const qemuImg = createQemuImg(runner);
  return (path, to, options) => qemuImg.write({ path, format: 'raw' }, to, options);
}
