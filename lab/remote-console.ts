import { join } from 'node:path';
import { GuestConsole } from '#stack/guest/console.ts';
import type { Machine } from './machine.ts';

/**
 * The console of a guest inside a machine: its socket and its log, brought to this side. Open a new one after the machine
 * was reset.
 * @param folder holds `<name>.sock` and `<name>.log` in the machine
 */
export async function openRemoteConsole(
  machine: Machine,
  folder: string,
  name: string,
): Promise<GuestConsole> {
  const socket = join(machine.dir, `${name}.sock`);
  await machine.forward(socket, `${folder}/${name}.sock`);
  const log = await machine.follow(`${folder}/${name}.log`, name);
  return await GuestConsole.open(socket, log);
}
