import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '#lab/lab.ts';
import type { Machine } from '#lab/machine.ts';
import type { Client } from '../client.ts';

/** What a measurement in the lab works with. */
export interface LabBench {
  readonly lab: Lab;
  readonly client: Client;
  /** Path of the Block Storage API, project included. */
  readonly base: string;
  readonly rounds: number;
}

const LOOK_EVERY_MS = 5;
const DEADLINE_MS = 300_000;

/** Makes a type of volumes on the thin back end. @returns its name. */
export async function makeType({ lab, client, base }: LabBench): Promise<string> {
  const name = randomUUID().slice(0, 8);
  const extra_specs = { volume_backend_name: lab.backendName };
  await client.expect(200, 'POST', `${base}/types`, { volume_type: { name, extra_specs } });
  return name;
}

/** Makes a volume and waits for it. @returns its id. */
export async function makeVolume({ client, base }: LabBench, volume: object): Promise<string> {
  const made = JSON.parse(await client.expect(202, 'POST', `${base}/volumes`, { volume })) as {
    volume: { id: string };
  };
  await statusIs({ client, base }, made.volume.id, 'available');
  return made.volume.id;
}

/** @throws Error when the volume has another final status, or takes five minutes. */
export async function statusIs(
  { client, base }: Pick<LabBench, 'client' | 'base'>,
  id: string,
  status: string,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const { volume } = JSON.parse(await client.expect(200, 'GET', `${base}/volumes/${id}`)) as {
      volume: { status: string };
    };
    if (volume.status === status) return;
    if (volume.status.startsWith('error') || performance.now() > deadline)
      throw new Error(`volume ${id} is ${volume.status}, not ${status}`);
    await sleep(LOOK_EVERY_MS);
  }
}

export async function deleteVolume({ client, base }: LabBench, id: string): Promise<void> {
  await client.expect(202, 'DELETE', `${base}/volumes/${id}`);
  while ((await client.call('GET', `${base}/volumes/${id}`)).status !== 404) await sleep(LOOK_EVERY_MS);
}

/** Processes and threads that a machine has started since it booted (proc(5), `processes` in /proc/stat). */
export async function forksOf(machine: Machine): Promise<number> {
  return Number(await machine.sh("awk '/^processes/ {print $2}' /proc/stat"));
}

/**
 * Runs one of `bench/lab/hand`'s scripts in a machine.
 * @returns milliseconds by the machine's own clock.
 * @throws Error when the script fails: half an attach is quick.
 */
export async function byHand(
  machine: Machine,
  script: string,
  args: readonly string[],
  input = '',
): Promise<number> {
  const words = args.map((word) => `'${word}'`).join(' ');
  const said = await machine.sh(
    `set -e
     began=$(date +%s%N); sh /opt/blockyard/bench/lab/hand/${script} ${words}; ended=$(date +%s%N)
     echo $(((ended - began) / 1000))`,
    { timeoutMs: DEADLINE_MS, input },
  );
  return Number(said.split('\n').at(-1)) / 1_000;
}
