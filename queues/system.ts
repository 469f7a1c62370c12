import { randomUUID } from 'node:crypto';
import type { Clock } from '#schema/clock.ts';
import type { Ids } from '#schema/ids.ts';
import packageJson from '../package.json' with { type: 'json' };

/** The machine's clock: the one place that reads it. */
// oxlint-disable-next-line no-restricted-properties
export const systemClock: Clock = { now: () => Date.now() };

export const systemIds: Ids = { uuid: () => randomUUID() };

/** Resolves with the first signal that asks this process to end. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
}

/** What this version calls itself in reports. */
export const VERSION: string = packageJson.version;
