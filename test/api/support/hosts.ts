import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { answerQuestions } from '#queues/answers.ts';
import { startConductor } from '#queues/conductor/conductor.ts';
import { DEFAULT_WEIGHTS } from '#queues/placement/weighers.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { type AgentKind, TASKS, type TaskName } from '#schema/tasks.ts';
import { ModelHost } from '#test/support/model-host.ts';
import { PROJECT, SECRET_KEY, type TestApi } from './api.ts';

export interface Hosts extends AsyncDisposable {
  readonly model: ModelHost;
  /** The servers that the compute agent reports: one of the tests' project, one of nobody's. */
  readonly server: string;
  readonly orphan: string;
  /** Has the compute agent report now. */
  report(): Promise<void>;
  /** No question to the compute agent is answered any more. */
  fallSilent(): void;
}

interface HostsOptions {
  /** The storage host has a store of backups, of this id. */
  readonly store?: string;
}

interface Queue {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly log: () => undefined;
}

/** A real conductor on the API's database and queues. */
export function startTestConductor(api: TestApi, queue: Queue): ReturnType<typeof startConductor> {
  return startConductor({
    ...queue,
    secretKey: SECRET_KEY,
    db: api.db,
    host: asId<HostName>('cond1'),
    availabilityZone: 'nova',
    version: 'test',
    weights: DEFAULT_WEIGHTS,
    clock: systemClock,
    ids: systemIds,
  });
}

/** A real conductor and two real agents on the API's queues; the host behind the agents is modelled in memory. */
export async function startHosts(api: TestApi, { store }: HostsOptions = {}): Promise<Hosts> {
  const stateDir = await mkdtemp(join(tmpdir(), 'blockyard-api-'));
  const model = new ModelHost();
  const [server, orphan] = [randomUUID(), randomUUID()];
  const common = { bootId: 'boot', version: 'test', availabilityZone: 'nova' };
  const queue = { redisUrl: api.redis.url, prefix: api.redis.prefix, log: () => undefined };
  const conductor = await startTestConductor(api, queue);
  const storage = await startAgent({
    ...queue,
    kind: 'storage',
    host: asId<HostName>('stor1'),
    stateDir: join(stateDir, 'storage'),
    handlers: modelled('storage', model),
    report: async () => ({
      ...common,
      kind: 'storage',
      host: 'stor1',
      pools: [
        {
          backend: 'files',
          backendName: 'files',
          totalGib: 100,
          freeGib: 100,
          reservedPercentage: 0,
          maxOverSubscriptionRatio: 1,
          thin: false,
          capabilities: store === undefined ? {} : { backup_store: store },
        },
      ],
      ...(store !== undefined && { backups: { store } }),
    }),
  });
  const domain = { status: 'ACTIVE', vcpus: 1, memoryMib: 512 };
  const compute = await startAgent({
    ...queue,
    kind: 'compute',
    host: asId<HostName>('comp1'),
    stateDir: join(stateDir, 'compute'),
    handlers: modelled('compute', model),
    report: async () => ({
      ...common,
      kind: 'compute',
      host: 'comp1',
      initiator: 'iqn.2010-10.org.blockyard:host:comp1',
      ip: '127.0.0.1',
      room: { vcpus: 8, memoryMib: 4_096 },
      servers: [
        { id: server, name: 'web', projectId: PROJECT, ...domain },
        { id: orphan, name: 'stray', projectId: null, ...domain },
        ...[...model.servers].map(([id, power]) => ({
          ...domain,
          id,
          name: `domain-${id}`,
          projectId: PROJECT,
          status: power === 'on' ? 'ACTIVE' : 'SHUTOFF',
        })),
      ],
    }),
  });
  const stopAnswering = await answerQuestions({
    ...queue,
    kind: 'compute',
    host: asId<HostName>('comp1'),
    answers: {
      'server.console': async ({ serverId, lines }) =>
        model.servers.has(serverId)
          ? { state: 'ok', text: ['one', 'two', 'three'].slice(-(lines ?? 3)).join('\n') }
          : { state: 'no-server', text: '' },
      'compute.inventory': async () => ({ domains: null, secrets: [], connections: [] }),
    },
  });
  await eventually(async () => {
    const services = await api.db.selectFrom('services').select('binary').execute();
    assert.equal(services.length, store === undefined ? 3 : 4);
  });
  return {
    model,
    server,
    orphan,
    report: () => compute.reportNow(),
    fallSilent: stopAnswering,
    async [Symbol.asyncDispose]() {
      stopAnswering();
      await Promise.all([storage.stop(), compute.stop()]);
      await conductor.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function modelled<K extends AgentKind>(kind: K, model: ModelHost): Handlers<K> {
  const names = (Object.keys(TASKS) as TaskName[]).filter((name) => TASKS[name].agent === kind);
  return Object.fromEntries(
    names.map((name) => [name, async (input: unknown) => model.carryOut(name, input)]),
  ) as unknown as Handlers<K>;
}

/** Tries until it holds; what it last failed with is what the test fails with. */
export async function eventually<T>(check: () => Promise<T>, withinMs = 10_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Creates a volume and waits until it can be used. */
export async function availableVolume(api: TestApi, volume: Record<string, unknown> = {}): Promise<string> {
  const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1, ...volume } } });
  const id: string = body.volume.id;
  await volumeBecomes(api, id, 'available');
  return id;
}

export function volumeBecomes(api: TestApi, id: string, status: string): Promise<void> {
  return eventually(async () => {
    const { body } = await api.call('GET', `/volumes/${id}`);
    assert.equal(body.volume.status, status);
  });
}
