import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runner } from '#agent/run.ts';
import { waitForLink } from './link.ts';
import type { Multipathd } from './multipathd.ts';
import type { Places } from './places.ts';
import { holdersOf, multipathName } from './scsi-device.ts';

/** Programs that look at every new disk, udev's among them, have it open for a moment. */
const REMOVE_ATTEMPTS = 10;
const REMOVE_PAUSE_MS = 300;
const MAP_TIMEOUT_MS = 40_000;

export interface MapDeps {
  readonly places: Places;
  readonly multipathd: Multipathd;
  readonly runner: Runner;
}

/**
 * Joins disks that are paths to one unit, and waits for the map. Asked for by name, multipathd makes it whatever its
 * `find_multipaths` says, and remembers it.
 * @returns udev's link for the map, which no change of names (`user_friendly_names`) touches.
 * @throws Error when the map does not come.
 */
export async function joinPaths(
  { places, multipathd }: MapDeps,
  wwid: string,
  blocks: readonly string[],
): Promise<{ dev: string; block: string }> {
  const dev = join(places.dev, 'disk/by-id', `dm-uuid-mpath-${wwid}`);
  // It may not have heard of them from udev yet.
  for (const block of blocks) await multipathd.tell(`add path ${block}`);
  const mapped = await Promise.all(blocks.map((block) => mapsOf(places.sys, block)));
  if (mapped.every((maps) => maps.length === 0)) await multipathd.tell(`add map ${wwid}`);
  let map = '';
  const joined = await waitForLink(
    dev,
    async (target) => {
      if (target === null) return false;
      map = target;
      const holders = await Promise.all(blocks.map((block) => holdersOf(places.sys, block)));
      return holders.every((each) => each.includes(target));
    },
    MAP_TIMEOUT_MS,
  );
  if (!joined) throw new Error(`multipathd made no map of ${blocks.join(', ')} within ${MAP_TIMEOUT_MS} ms`);
  return { dev, block: map };
}

/** Multipath maps that hold a disk, for example `dm-0`. */
export async function mapsOf(sys: string, block: string): Promise<string[]> {
  const holders = await holdersOf(sys, block);
  const names = await Promise.all(holders.map((holder) => multipathName(sys, holder)));
  return holders.filter((_, index) => names[index] !== null);
}

/**
 * Removes a map that nobody uses; its last writes are carried out first, or fail at once when no path works.
 * @param options `dead`: no path will ever work again, so what is asked of it fails from now on even if it stays.
 * @throws Error when somebody has it open.
 */
export async function removeMap(
  { places, multipathd }: MapDeps,
  map: string,
  { dead = false } = {},
): Promise<void> {
  const name = await multipathName(places.sys, map);
  if (name === null) return;
  await multipathd.tell(`disablequeueing map ${map}`).catch(() => undefined);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return void (await multipathd.tell(`del map ${name}`));
    } catch (error) {
      if ((await multipathName(places.sys, map)) !== name) return;
      if (attempt < REMOVE_ATTEMPTS) {
        await sleep(REMOVE_PAUSE_MS);
        continue;
      }
      if (!dead) await multipathd.tell(`restorequeueing map ${map}`).catch(() => undefined);
      throw new Error(`the multipath map ${name} is in use on this host`, { cause: error });
    }
  }
}

/** Makes multipath-tools forget a unit for good; it keeps a list of those that it has once made a map of. */
export async function forgetUnit({ runner }: MapDeps, wwid: string): Promise<void> {
  await runner.run('multipath', ['-w', wwid]).catch(() => undefined);
}
