import { resolve } from 'node:path';
import { limited } from '#queues/limited.ts';
import type { BackendInventory, ExportItem, StorageInventory, StoredItem } from '#schema/inventory.ts';
import { QUESTIONS } from '#schema/questions.ts';
import { Asked } from './asked.ts';
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

/** The others' part must arrive in time. */
const WITHIN_MS = QUESTIONS['storage.inventory'].withinMs - 5_000;

/**
 * All that this host has of volumes. What cannot be read, or does not answer, says why and hides nothing else. Those who ask at the
 * same time get the same answer.
 */
export function storageLister(
  { backends, target, bootId }: Deps,
  withinMs = WITHIN_MS,
): () => Promise<StorageInventory> {
  let looking: Promise<StorageInventory> | undefined;
  const silence = `it has not answered for ${withinMs / 1_000} s`;
  const places = new Asked<OpenBackend, string>();
  const items = new Asked<OpenBackend, StoredItem[] | null>();
  const exported = new Asked<Target, ExportItem[] | null>();
  const readBackend = async (open: OpenBackend): Promise<BackendInventory> => {
    const { config, backend } = open;
    const [place, { value, error }] = await Promise.all([
      places.ask(open, () => placeOf(config), withinMs, silence).catch(() => null),
      attempt(() => items.ask(open, () => itemsOf(backend), withinMs, silence)),
    ]);
    return {
      name: config.name,
      backendName: config.backend_name ?? config.name,
      kind: config.kind,
      ...(place !== null && { place }),
      items: value,
      error,
    };
  };
  const look = async (): Promise<StorageInventory> => {
    const [{ value, error }, ...found] = await Promise.all([
      attempt(() => exported.ask(target, () => target.inventory(), withinMs, silence)),
      ...backends.map(readBackend),
    ]);
    return { bootId: await bootId(), backends: found, exports: value, exportsError: error };
  };
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}

async function itemsOf(backend: Backend): Promise<StoredItem[] | null> {
  const found = await backend.items();
  return found === null ? null : lookInto(backend, found);
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

/** Devices of a back end that are looked into at once: each keeps one of the threads that Node reads files with. */
const LOOKED_INTO = 3;

/** What is suspended, or lacks a disk, might never answer: it is not looked into. */
async function lookInto(backend: Backend, items: readonly StoredItem[]): Promise<StoredItem[]> {
  const inTurn = limited(LOOKED_INTO);
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
