import type { StorageConfig } from '../config.ts';
import { createNoTarget } from './none.ts';
import type { Target } from './target.ts';
import { createTgtClient } from './tgt/client.ts';
import { watchTgtd } from './tgt/incarnation.ts';
import { createTgtTarget } from './tgt/target.ts';

/** The configured target, and what tells that it has started anew and so lost its exports. */
export interface OpenTarget {
  readonly target: Target;
  /** Changes with every start of the target's daemon. */
  incarnation(): Promise<string>;
  /** Calls back soon after the daemon has started anew. */
  onRestart(callback: () => void): void;
  close(): void;
}

/** Opens the configured target; its daemon need not run yet. */
export function openTarget(config: StorageConfig): OpenTarget {
  if (config.target === 'none')
    return {
      target: createNoTarget(config.portals, config.iqnPrefix),
      incarnation: async () => 'none',
      onRestart: () => {},
      close: () => {},
    };
  const { tgtSocket, portals, iqnPrefix } = config;
  const target = createTgtTarget({ client: createTgtClient(tgtSocket), portals, iqnPrefix });
  return { target, ...watchTgtd(tgtSocket) };
}
