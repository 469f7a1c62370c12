import { createBuiltInKeyManager } from '#queues/key-manager/built-in.ts';
import { limited } from '#queues/limited.ts';
import { NO_LIMITS } from './block-storage/quotas/resources.ts';
import { DefaultTypes } from './block-storage/types/default-types.ts';
import { createVolumeLoader } from './block-storage/volumes/rows.ts';
import type { App } from './http/context.ts';

/** One waits for MySQL while another is turned into text; the third hides what is uneven. */
const LISTS_AT_ONCE = 3;

/** What is made here, and what need not be said. */
type Made = 'volumes' | 'lists' | 'defaultTypes' | 'keys';
type Optional = 'identity' | 'keystoneUrl' | 'quotaDefaults';

/** Puts together what the handlers share. */
export function createApp(parts: Omit<App, Made | Optional> & Partial<Pick<App, Optional>>): App {
  return {
    identity: undefined,
    keystoneUrl: undefined,
    quotaDefaults: NO_LIMITS,
    ...parts,
    keys: createBuiltInKeyManager(parts),
    volumes: createVolumeLoader(parts.db),
    defaultTypes: new DefaultTypes(parts.db, parts.clock),
    lists: limited(LISTS_AT_ONCE),
  };
}
