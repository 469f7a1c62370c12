import type { Runner } from '#agent/run.ts';
import type { BackupConfig } from './config.ts';
import { type BackupStore, openBackupStore } from './store.ts';

const AGAIN_MS = 10_000;

/** This host's store of backups, as soon as it is one. */
export interface Backups {
  readonly store: BackupStore;
  /** The store's id; undefined while it has never been reached. */
  found(): string | undefined;
  stop(): void;
}

/**
 * Looks for the store until it is there: an agent starts without it, since volumes are to be used all the same.
 * @param reached is called once, when it has been found.
 */
export function openBackups(
  config: BackupConfig,
  {
    runner,
    stateDir,
    log,
  }: { readonly runner: Runner; readonly stateDir: string; readonly log: (line: string) => void },
  reached: () => void,
): Backups {
  const store = openBackupStore({ config, runner, stateDir });
  let id: string | undefined;
  let said: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    try {
      id = await store.id();
      if (!stopped) reached();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text !== said) log(`no backups: ${text}`);
      said = text;
      if (!stopped) timer = setTimeout(() => void look(), AGAIN_MS);
    }
  };
  void look();
  return {
    store,
    found: () => id,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
