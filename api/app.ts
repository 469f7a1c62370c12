import { createVolumeLoader } from './block-storage/volumes/rows.ts';
import type { App } from './http/context.ts';

/** Puts together what the handlers share. */
export function createApp(parts: Omit<App, 'volumes'>): App {
  return { ...parts, volumes: createVolumeLoader(parts.db) };
}
