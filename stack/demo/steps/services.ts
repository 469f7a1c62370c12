import { CINDER_BINARIES } from '#schema/services.ts';
import { expectThat } from '../expect.ts';
import type { Step } from '../report.ts';
import { BACKEND, type Scene } from '../scene.ts';

interface Service {
  readonly binary: string;
  readonly host: string;
  readonly state: string;
}

/** What has come up: every service, and the pool that volumes will go to. */
export async function lookAround({ client }: Scene, step: Step): Promise<void> {
  const { services } = (await client.call(step, 'GET', '/v3/os-services')) as {
    services: readonly Service[];
  };
  // With a database that others use too, there may be services of theirs that are down.
  const up = services.filter(({ state }) => state === 'up');
  const hosts = (['conductor', 'storage', 'compute'] as const).map((kind) => {
    const own = up.find(({ binary }) => binary === CINDER_BINARIES[`blockyard-${kind}`]);
    expectThat(`service ${kind}`, own !== undefined, 'up', services);
    return `${kind} ${own?.host}`;
  });
  step.saw(`up: api, ${hosts.join(', ')}`);
  const { name, capabilities } = await poolOf(client);
  step.saw(
    `pool ${name}: ${capabilities.free_capacity_gb} GiB free, ${capabilities.allocated_capacity_gb} GiB allocated`,
  );
}

/** The demo's own pool, in Cinder's words. */
export async function poolOf(client: Scene['client']) {
  const { body } = await client.until(
    `a pool ${BACKEND}`,
    '/v3/scheduler-stats/get_pools?detail=true',
    (answer) => findPool(answer.body) !== undefined,
  );
  return findPool(body)!;
}

interface Pool {
  readonly name: string;
  readonly capabilities: {
    readonly volume_backend_name: string;
    readonly free_capacity_gb: number;
    readonly allocated_capacity_gb: number;
    readonly total_volumes: number;
  };
}

function findPool(body: { pools?: readonly Pool[] } | undefined): Pool | undefined {
  return body?.pools?.find(({ capabilities }) => capabilities.volume_backend_name === BACKEND);
}
