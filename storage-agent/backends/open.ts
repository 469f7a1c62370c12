import type { Runner } from '#agent/run.ts';
import { createQemuImg } from '../images/qemu-img.ts';
import type { Backend, CopyDisk } from './backend.ts';
import type { BackendConfig } from './config.ts';
import { createFileBackend } from './file/backend.ts';
import { type Claimant, claimFolder } from './file/owner.ts';
import { createLvmBackend } from './lvm/backend.ts';
import { createLvmDoor } from './lvm/door.ts';
import { createImageCache, type ImageCache } from './lvm/image-cache.ts';
import { thick, thin } from './lvm/provisioning.ts';
import { createShelf, type Shelf } from './lvm/shelf.ts';
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
  const cacheOf = cachesFor(backends);
  return Promise.all(
    backends.map(async (config) => ({
      config,
      backend: await openBackend(config, claimant, runner, cacheOf),
    })),
  );
}

async function openBackend(
  config: BackendConfig,
  claimant: Claimant,
  runner: Runner,
  cacheOf: CacheOf,
): Promise<Backend> {
  if (config.kind === 'noop') return createNoopBackend(config.total_gib);
  if (config.kind === 'file') {
    const backend = await createFileBackend(config.path, runner);
    await claimFolder(config.path, claimant);
    return backend;
  }
  const door = createLvmDoor(runner, config.vg);
  const provisioning = config.kind === 'lvm' ? thick(door) : thin(door, config.pool);
  const shelf = createShelf(door, provisioning);
  const cache = config.kind === 'lvm-thin' ? cacheOf(config, shelf) : null;
  return createLvmBackend({ shelf, provisioning, copyDisk: copyDiskWith(runner), cache });
}

type ThinConfig = BackendConfig & { readonly kind: 'lvm-thin' };
type CacheOf = (config: ThinConfig, shelf: Shelf) => ImageCache | null;

/**
 * The back ends of one thin pool have one cache: of two, each would take what the other is writing for something that a crash has left, and
 * wipe it. The smallest of their limits holds.
 */
function cachesFor(backends: readonly BackendConfig[]): CacheOf {
  const caches = new Map<string, ImageCache>();
  const caching = backends.filter(
    (each): each is ThinConfig => each.kind === 'lvm-thin' && each.image_cache_count > 0,
  );
  return (config, shelf) => {
    if (!caching.includes(config)) return null;
    const { vg, pool } = config;
    const known = caches.get(`${vg}/${pool}`);
    if (known !== undefined) return known;
    const together = caching.filter((each) => each.vg === vg && each.pool === pool);
    const cache = createImageCache(shelf, pool, {
      count: Math.min(...together.map(({ image_cache_count }) => image_cache_count)),
      gib: Math.min(...together.map(({ image_cache_gib }) => image_cache_gib)),
    });
    caches.set(`${vg}/${pool}`, cache);
    return cache;
  };
}

function copyDiskWith(runner: Runner): CopyDisk {
  const qemuImg = createQemuImg(runner);
  return (path, to, options) => qemuImg.write({ path, format: 'raw' }, to, options);
}
