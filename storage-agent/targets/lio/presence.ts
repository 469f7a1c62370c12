import { readFile } from 'node:fs/promises';
import { atMost } from '#queues/at-most.ts';
import { watchFolder } from '../folder-watch.ts';

export interface PresenceOptions {
  /** IQNs of the targets that exist. */
  readonly targets: () => Promise<readonly string[]>;
  /** The folder of targets; watched, so that a loss is seen at once. */
  readonly folder: string;
}

/**
 * Notices that exports have gone which nobody has removed here: LIO forgets all at a reboot, and `targetctl clear` or a unit
 * that restores a saved configuration removes them.
 */
export interface Presence {
  /** This export stands. */
  readonly made: (iqn: string) => void;
  /** This export is being removed. */
  readonly leaving: (iqn: string) => void;
  /** Changes when exports were lost. */
  readonly incarnation: () => Promise<string>;
  /** Calls back soon after a loss. */
  readonly onRestart: (callback: () => void) => void;
  readonly close: () => void;
}

/** Whoever clears exports removes many, one after another. */
const SETTLE_MS = 200;
/** So long a report may be held up by a kernel that does not answer. */
const LOOK_MS = 2_000;

export function watchPresence({ targets, folder }: PresenceOptions): Presence {
  const known = new Set<string>();
  let losses = 0;
  let boot: Promise<string> | undefined;
  let looking: Promise<void> | undefined;
  let stopWatching: (() => void) | undefined;

  const look = async (): Promise<void> => {
    const before = [...known];
    if (before.length === 0) return;
    const there = new Set(await targets());
    const lost = before.filter((iqn) => !there.has(iqn) && known.has(iqn));
    if (lost.length > 0) losses += 1;
    for (const iqn of lost) known.delete(iqn);
  };

  /** A kernel that does not answer has lost nothing yet. */
  const lookOnce = (): Promise<void> => {
    looking ??= look()
      .catch(() => undefined)
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  return {
    made: (iqn) => void known.add(iqn),
    leaving: (iqn) => void known.delete(iqn),
    async incarnation() {
      boot ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8');
      await atMost(LOOK_MS, lookOnce());
      return `${(await boot).trim()}.${losses}`;
    },
    onRestart(callback) {
      stopWatching = watchFolder(folder, (iqn) => iqn !== null && known.has(iqn), SETTLE_MS, callback);
    },
    close: () => stopWatching?.(),
  };
}
