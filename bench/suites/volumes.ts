import type { Bench } from '../bench.ts';

/**
 * How long a client waits between two looks: one alone looks often, to see the moment; many at once rarely, so that
 * the cost of looking stays small beside that of the work.
 */
const lookEveryMs = (clients: number): number => (clients === 1 ? 1 : 10);
const PATIENCE_MS = 30_000;

export async function createVolume({ client, base }: Bench): Promise<string> {
  const body = await client.expect(202, 'POST', `${base}/volumes`, { volume: { size: 1, name: 'bench' } });
  return (JSON.parse(body) as { volume: { id: string } }).volume.id;
}

export async function untilStatus(bench: Bench, id: string, wanted: string, clients: number): Promise<void> {
  await until(
    async () => {
      const body = await bench.client.expect(200, 'GET', `${bench.base}/volumes/${id}`);
      const { status } = (JSON.parse(body) as { volume: { status: string } }).volume;
      if (status.startsWith('error')) throw new Error(`volume ${id} is in ${status}`);
      return status === wanted;
    },
    `volume ${id} did not become ${wanted}`,
    clients,
  );
}

export async function untilGone(bench: Bench, id: string, clients: number): Promise<void> {
  await until(
    async () => (await bench.client.call('GET', `${bench.base}/volumes/${id}`)).status === 404,
    `volume ${id} is not gone`,
    clients,
  );
}

async function until(holds: () => Promise<boolean>, otherwise: string, clients: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs(clients)));
  }
}
