import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '#agent/agent.ts';
import { type RunOptions, systemRunner } from '#agent/run.ts';
import { answerQuestions } from '#queues/answers.ts';
import { agentQueue } from '#queues/names.ts';
import { agentKeys, createSecrets } from '#queues/secrets.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { startTgtd } from '#stack/servers/tgtd.ts';
import { openBackends } from '#storage-agent/backends/open.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { openImages } from '#storage-agent/images/open.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { storageLister } from '#storage-agent/inventory.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { SECRET_KEY, type TestApi } from './api.ts';
import { eventually, startTestConductor } from './hosts.ts';

export interface StorageHosts extends AsyncDisposable {
  /** Of a volume or snapshot by its name there. */
  path(backend: string, name: string): string;
  /** Every command line that was started, for what must not be in it. */
  readonly commands: string[];
}

const BACKENDS = [
  ['stor1', 'here'],
  ['stor1', 'there'],
  ['stor2', 'away'],
] as const;

/** A real conductor, and two real storage agents with files behind tgtd: data can be looked at. */
export async function startStorageHosts(api: TestApi): Promise<StorageHosts> {
  const dir = await mkdtemp(join(tmpdir(), 'blockyard-files-'));
  const commands: string[] = [];
  const runner = {
    run(program: string, args: readonly string[], options?: RunOptions) {
      commands.push([program, ...args].join(' '));
      return systemRunner.run(program, args, options);
    },
  };
  await mkdir(join(dir, 'tgtd'));
  const tgtd = await startTgtd({ dir: join(dir, 'tgtd') });
  const queue = { redisUrl: api.redis.url, prefix: api.redis.prefix, log: () => undefined };
  const conductor = await startTestConductor(api, queue);
  const stops = await Promise.all(
    ['stor1', 'stor2'].map(async (name) => {
      const host = asId<HostName>(name);
      const mine = BACKENDS.filter(([agent]) => agent === name).map(([, backend]) => backend);
      const backends = mine.map(
        (backend) => ({ kind: 'file' as const, name: backend, path: join(dir, name, backend) }) as never,
      );
      const opened = await openBackends({ host, stateDir: join(dir, name, 'state'), backends }, runner);
      const keys = agentKeys(SECRET_KEY, agentQueue('storage', host));
      const target = createTgtTarget({
        client: createTgtClient(`${tgtd.socket}.0`),
        portals: [tgtd.portal],
        iqnPrefix: `iqn.2010-10.org.blockyard.${name}`,
      });
      const images = openImages(
        {
          imageService: { url: `${api.url}/image`, account: null },
          imageDir: join(dir, name, 'images'),
          host,
          keys,
        },
        runner,
      );
      if (images === undefined) throw new Error('images were asked for');
      const bootId = randomUUID();
      const agent = await startAgent({
        ...queue,
        kind: 'storage',
        host,
        stateDir: join(dir, name, 'state'),
        handlers: createStorageHandlers({
          backends: new Map(opened.map(({ config, backend }) => [config.name, backend])),
          target,
          secrets: createSecrets(keys),
          disks: createDisks(createQemuImg(runner), join(dir, name, 'state')),
          images,
        }),
        report: async () => ({
          kind: 'storage',
          host: name,
          bootId,
          version: 'test',
          availabilityZone: 'nova',
          pools: mine.map((backend) => ({
            backend,
            backendName: backend,
            totalGib: 100,
            freeGib: 100,
            reservedPercentage: 0,
            maxOverSubscriptionRatio: 1,
            thin: false,
            capabilities: {},
          })),
        }),
      });
      const stopAnswering = await answerQuestions({
        ...queue,
        kind: 'storage',
        host,
        answers: {
          'storage.inventory': storageLister({ backends: opened, target, bootId: async () => bootId }),
        },
      });
      return async () => {
        stopAnswering();
        await agent.stop();
      };
    }),
  );
  await eventually(async () => {
    const pools = await api.db.selectFrom('pools').select('name').execute();
    if (pools.length !== BACKENDS.length) throw new Error('not all pools have been reported');
  });
  return {
    commands,
    path(backend, name) {
      const agent = BACKENDS.find(([, each]) => each === backend)?.[0] ?? '';
      return join(dir, agent, backend, name);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(stops.map((stop) => stop()));
      await conductor.stop();
      await tgtd.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
