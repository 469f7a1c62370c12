import type { Runner } from '#agent/run.ts';
import type { BackupConfig } from './config.ts';
import { type BackupStore, openBackupStore, rememberedStore } from './store.ts';

const AGAIN_MS = 10_000;

/** This host's store of backups, as soon as it is one. */
export interface Backups {
  readonly store: BackupStore;
  /** The store's id, which a host that starts again has at once; undefined while it has never been reached, or is found to be away at the start. */
  found(): string | undefined;
  stop(): void;
}

/**
 * Looks for the store until it is there: an agent starts without it, since volumes are to be used all the same.
 * @param reached is called once, when it has been found.
 */
export async function openBackups(
  config: BackupConfig,
  {
    runner,
    stateDir,
    log,
  }: { readonly runner: Runner; readonly stateDir: string; readonly log: (line: string) => void },
  reached: () => void,
): Promise<Backups> {
  const store = openBackupStore({ config, runner, stateDir });
  // Looking takes seconds, in which a host that only starts again would be no place for what is made of backups.
  let id = await rememberedStore(stateDir);
  let said: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    try {
      id = await store.id();
      if (!stopped) reached();
    } catch (error) {
      id = undefined;
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
