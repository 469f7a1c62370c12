import { resolve } from 'node:path';
import { limited } from '#queues/limited.ts';
import type { BackendInventory, StorageInventory, StoredItem } from '#schema/inventory.ts';
import type { Backend } from './backends/backend.ts';
import type { BackendConfig } from './backends/config.ts';
import type { OpenBackend } from './backends/open.ts';
import { beginsWithLuks } from './images/luks-header.ts';
import { identityOf } from './same-file.ts';
import type { Target } from './targets/target.ts';

interface Deps {
  readonly backends: readonly OpenBackend[];
  readonly target: Target;
  /** As in the agent's reports. */
  readonly bootId: () => Promise<string>;
}

/**
 * All that this host has of volumes. What cannot be read says why and hides nothing else. Those who ask at the same time
 * get the same answer.
 */
export function storageLister({ backends, target, bootId }: Deps): () => Promise<StorageInventory> {
  let looking: Promise<StorageInventory> | undefined;
  const look = async (): Promise<StorageInventory> => {
    const exports = await attempt(() => target.inventory());
    return {
      bootId: await bootId(),
      backends: await Promise.all(backends.map(readBackend)),
      exports: exports.value,
      exportsError: exports.error,
    };
  };
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}

async function readBackend({ config, backend }: OpenBackend): Promise<BackendInventory> {
  const { value: items, error } = await attempt(async () => {
    const found = await backend.items();
    return found === null ? null : await lookInto(backend, found);
  });
  return {
    name: config.name,
    backendName: config.backend_name ?? config.name,
    kind: config.kind,
    place: await placeOf(config),
    items,
    error,
  };
}

/** Two that name the same keep the same volumes: those of a thin pool and the others of its group are told apart. */
async function placeOf(config: BackendConfig): Promise<string> {
  switch (config.kind) {
    case 'file':
      return identityOf(config.path).catch(() => resolve(config.path));
    case 'lvm':
      return config.vg;
    case 'lvm-thin':
      return `${config.vg}/${config.pool}`;
    case 'noop':
      return config.name;
    default:
      return config satisfies never;
  }
}

/** Of all back ends together: each device that is looked into keeps one of the threads that Node reads files with. */
const inTurn = limited(3);

/** What is suspended, or lacks a disk, might never answer: it is not looked into. */
async function lookInto(backend: Backend, items: readonly StoredItem[]): Promise<StoredItem[]> {
  return Promise.all(
    items.map(async (item) => {
      const { kind, id, unfit } = item;
      if (kind !== 'volume' || id === null || unfit !== null) return item;
      return { ...item, luks: await inTurn(() => beginsWithLuks(backend.devicePath(id))) };
    }),
  );
}

async function attempt<T>(
  work: () => Promise<T | null>,
): Promise<{ readonly value: T | null; readonly error: string | null }> {
  try {
    return { value: await work(), error: null };
  } catch (error) {
    return { value: null, error: error instanceof Error ? error.message : String(error) };
  }
}
