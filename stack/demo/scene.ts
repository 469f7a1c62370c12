import { join } from 'node:path';
import type { Stack } from '../environment.ts';
import type { GuestConsole } from '../guest/console.ts';
import type { Client } from './client.ts';
import type { Report } from './report.ts';

/** What every step works on. */
export interface Scene {
  readonly stack: Stack;
  readonly client: Client;
  readonly report: Report;
  /** What the walk has made and not taken away again, for the ending of a walk that failed. */
  readonly made: Made;
}

export interface Made {
  typeId?: string;
  qosId?: string;
  volumeId?: string;
  /** The domain's UUID, which is the server's id. */
  domain?: string;
  console?: GuestConsole;
}

/** What the volume type asks for, and the demo's only backend is called. */
export const BACKEND = 'demo-files';

/** Folder of the file backend. */
export function volumesFolder(stack: Pick<Stack, 'runDir'>): string {
  return join(stack.runDir, 'volumes');
}

/** Where the file backend keeps a volume. */
export function volumeFile({ stack }: Scene, volumeId: string): string {
  return join(volumesFolder(stack), `volume-${volumeId}`);
}

export const GIB = 2 ** 30;

/** `1 GiB`, `4.2 MiB`, `0 B`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes === 0 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}
