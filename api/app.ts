import { createVolumeLoader } from './block-storage/volumes/rows.ts';
import type { App } from './http/context.ts';
import { Turnstile } from './http/turnstile.ts';

/** One waits for MySQL while another is turned into text; the third hides what is uneven. */
const LISTS_AT_ONCE = 3;

/** Puts together what the handlers share. */
export function createApp(parts: Omit<App, 'volumes' | 'lists'>): App {
  return { ...parts, volumes: createVolumeLoader(parts.db), lists: new Turnstile(LISTS_AT_ONCE) };
}
