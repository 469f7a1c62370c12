import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { type Agent, startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { answerQuestions } from '#queues/answers.ts';
import { createDispatcher, type Dispatcher } from '#queues/conductor/dispatcher.ts';
import { Liveness } from '#queues/conductor/liveness.ts';
import { createReseal } from '#queues/conductor/reseal.ts';
import {
  agentQueue,
  answerChannel,
  eventStream,
  leaseKey,
  questionChannel,
  reportChannel,
  reportKey,
} from '#queues/names.ts';
import { createQuestions } from '#queues/questions.ts';
import { openRedis } from '#queues/redis.ts';
import { agentRedisUrl, agentUsers, dropAgentUser, newPassword, putAgentUser } from '#queues/redis-users.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { ComputeReport } from '#schema/reports.ts';
import { type AgentKind, TASKS, type TaskName } from '#schema/tasks.ts';
import { type RedisServer, startRedis } from '#stack/servers/redis.ts';
import { ModelHost } from '#test/support/model-host.ts';

const PREFIX = 'yard';
const [VICTIM, THIEF, STORAGE] = ['comp1', 'comp2', 'stor1'].map((name) => asId<HostName>(name)) as [
  HostName,
  HostName,
  HostName,
];

describe("an agent's account at Redis", function () {
  this.timeout(30_000);
  let dir: string;
  let server: RedisServer;
  let admin: Redis;
  let dispatcher: Dispatcher;
  const accounts = new Map<string, string>();
  const open: { disconnect(): void }[] = [];
  let toFail = 0;

  async function account(kind: AgentKind, host: HostName): Promise<string> {
    const known = accounts.get(agentQueue(kind, host));
    if (known !== undefined) return known;
    const password = newPassword();
    assert.equal(await putAgentUser(admin, PREFIX, { kind, host }, password), true);
    const url = agentRedisUrl(server.url, PREFIX, { kind, host }, password);
    accounts.set(agentQueue(kind, host), url);
    return url;
  }

  /** By the account of a hypervisor whose credentials somebody has taken. */
  async function thief(): Promise<Redis> {
    const redis = new Redis(await account('compute', THIEF), { retryStrategy: () => null });
    open.push(redis);
    await redis.ping();
    return redis;
  }

  function start(kind: AgentKind, host: HostName, model: ModelHost, redisUrl: string): Promise<Agent> {
    const handlers = Object.fromEntries(
      Object.entries(TASKS)
        .filter(([, { agent }]) => agent === kind)
        .map(([name]) => [
          name,
          async (input: unknown) => {
            if (toFail > 0) {
              toFail -= 1;
              throw new Error('not this time');
            }
            return model.carryOut(name as TaskName, input);
          },
        ]),
    ) as unknown as Handlers<AgentKind>;
    return startAgent<AgentKind>({
      kind,
      host,
      redisUrl,
      prefix: PREFIX,
      stateDir: join(dir, `${kind}-${host}-${randomUUID()}`),
      handlers,
      report: async () => report(host),
      log: () => undefined,
    });
  }

  function report(host: string): ComputeReport {
    return {
      kind: 'compute',
      host,
      bootId: 'boot',
      version: 'test',
      availabilityZone: 'nova',
      initiator: 'iqn.2010-10.org.blockyard:host:x',
      ip: '127.0.0.1',
      room: { vcpus: 1, memoryMib: 1 },
      servers: [],
    };
  }

  const create = (volumeId: string) => ({
    queue: agentQueue('storage', STORAGE),
    jobId: `${randomUUID()}.1.0.1`,
    task: 'volume.ensure' as const,
    envelope: { volumeId, seq: 1, requestId: 'req', input: { volumeId, backend: 'files', sizeGib: 1 } },
  });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-acl-'));
    server = await startRedis({ dir: join(dir, 'redis') });
    admin = openRedis(server.url);
    const now = () => systemClock.now();
    const liveness = new Liveness(now);
    // Of hosts that are up, tasks end in time.
    for (const agent of [agentQueue('storage', STORAGE), agentQueue('compute', THIEF)]) liveness.heard(agent);
    dispatcher = createDispatcher(server.url, PREFIX, now, liveness, createReseal('ab'.repeat(32)));
  });
  after(async () => {
    for (const each of open) each.disconnect();
    await dispatcher?.close();
    admin?.disconnect();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('is enough for all that an agent does: reports, tasks that end, fail, and are tried again', async () => {
    const heard = openRedis(server.url);
    open.push(heard);
    await heard.subscribe(reportChannel(PREFIX, 'storage', STORAGE));
    const first = once(heard, 'message');
    const model = new ModelHost();
    const agent = await start('storage', STORAGE, model, await account('storage', STORAGE));
    try {
      const [, text] = (await first) as [string, string];
      assert.equal((JSON.parse(text) as ComputeReport).host, STORAGE);
      assert.equal(await admin.get(reportKey(PREFIX, 'storage', STORAGE)), text);
      assert.ok((await admin.pttl(leaseKey(PREFIX, 'storage', STORAGE))) > 0);

      const volume = randomUUID();
      assert.deepEqual(await dispatcher.run(create(volume), 10_000), { sizeBytes: 1_073_741_824 });
      // Attempts with pauses between them: BullMQ's delayed jobs.
      toFail = 2;
      await dispatcher.run(create(randomUUID()), 20_000);
      const invalid = {
        ...create(volume),
        envelope: { volumeId: volume, seq: 2, requestId: 'r', input: {} },
      };
      await assert.rejects(dispatcher.run(invalid, 10_000), { code: 'invalid' });
    } finally {
      await agent.stop();
    }
    assert.equal(await admin.exists(leaseKey(PREFIX, 'storage', STORAGE)), 0);
  });

  it('takes up again what a former self had begun, and what has stalled', async () => {
    const url = await account('compute', VICTIM);
    const volumeId = randomUUID();
    const connection = openRedis(server.url);
    open.push(connection);
    const queue = new Queue(agentQueue('compute', VICTIM), { connection, prefix: PREFIX });
    const envelope = { volumeId, seq: 1, requestId: 'r', input: { volumeId, serverId: 's', iotune: {} } };
    await queue.add('disk.tune', envelope, { jobId: 'job-1', removeOnComplete: true });
    // Somebody took it and died: it is active and has no lock.
    await admin.rpoplpush(`${PREFIX}:${queue.name}:wait`, `${PREFIX}:${queue.name}:active`);
    const model = new ModelHost();
    const agent = await start('compute', VICTIM, model, url);
    try {
      const ended = async (id: string) => {
        const job = await queue.getJob(id);
        return job === undefined || job.finishedOn !== undefined;
      };
      await eventually(() => ended('job-1'));
      await queue.add('disk.tune', { ...envelope, seq: 2 }, { jobId: 'job-2', removeOnComplete: true });
      await eventually(() => ended('job-2'));
    } finally {
      await agent.stop();
      await queue.close();
    }
  });

  it('lets it answer questions that it is asked, and no others', async () => {
    const stop = await answerQuestions({
      kind: 'compute',
      host: VICTIM,
      redisUrl: await account('compute', VICTIM),
      prefix: PREFIX,
      answers: {
        'server.console': async () => ({ state: 'ok', text: 'hello' }),
        'compute.inventory': async () => {
          throw new Error('not here');
        },
      },
      log: () => undefined,
    });
    const questions = createQuestions({ redisUrl: server.url, prefix: PREFIX, ids: systemIds });
    try {
      const input = { serverId: 's', lines: null };
      await eventually(async () => {
        const asked = questions.ask(VICTIM, 'server.console', input);
        return (await asked.catch(() => ({ text: '' }))).text === 'hello';
      });
      const redis = await thief();
      // Not on the channel of another host's answers, however well it knows who asks; nor can it listen there.
      const channel = answerChannel(PREFIX, agentQueue('compute', VICTIM), randomUUID());
      await refused(redis.publish(channel, '{"id":"x","output":{"state":"ok","text":"forged"}}'));
      await refused(redis.subscribe(channel));
      await refused(redis.psubscribe(`${PREFIX}:answers:*`));
      // What is no answer harms nobody.
      const listening = await thief();
      await listening.subscribe(questionChannel(PREFIX, 'compute', THIEF));
      listening.on('message', (_channel, text: string) => {
        const { id, replyTo } = JSON.parse(text) as { id: string; replyTo: string };
        const right = JSON.stringify({ id, output: { state: 'ok', text: 'mine' } });
        for (const answer of ['{', 'null', '[]', '{"id":1}', '', right]) void redis.publish(replyTo, answer);
      });
      assert.equal((await questions.ask(THIEF, 'server.console', input)).text, 'mine');
      assert.equal((await questions.ask(VICTIM, 'server.console', input)).text, 'hello');
    } finally {
      questions.close();
      stop();
    }
  });

  it("does not let a thief read, list, add, finish or remove another host's jobs", async () => {
    const redis = await thief();
    const others = [agentQueue('compute', VICTIM), agentQueue('storage', STORAGE), 'operations'];
    for (const queue of others) {
      const base = `${PREFIX}:${queue}`;
      await admin.hset(`${base}:job`, 'data', 'secret');
      await refused(redis.hgetall(`${base}:job`));
      await refused(redis.lrange(`${base}:wait`, 0, -1));
      await refused(redis.lpush(`${base}:wait`, 'job'));
      await refused(redis.zadd(`${base}:marker`, 0, '0'));
      await refused(redis.bzpopmin(`${base}:marker`, 0.01));
      await refused(redis.xadd(`${base}:events`, '*', 'event', 'completed', 'jobId', 'job'));
      await refused(redis.del(`${base}:job`));
      await refused(redis.rpoplpush(`${base}:wait`, `${PREFIX}:${agentQueue('compute', THIEF)}:wait`));
      // Scripts run with the rights of whoever sends them, also with keys that they don't declare.
      await refused(redis.eval("return redis.call('HGET', KEYS[1], 'data')", 1, `${base}:job`));
      await refused(redis.eval("return redis.call('HGET', ARGV[1], 'data')", 0, `${base}:job`));
      await refused(redis.eval("return redis.call('DEL', ARGV[1])", 0, `${base}:job`));
      const stolen = new Queue(queue, { connection: await thief(), prefix: PREFIX });
      stolen.on('error', () => undefined);
      await assert.rejects(stolen.add('volume.absent', {}));
      assert.equal(await admin.hget(`${base}:job`, 'data'), 'secret');
      await admin.del(`${base}:job`);
    }
    // A host whose name begins with its own is another host.
    await refused(redis.get(`${PREFIX}:${agentQueue('compute', THIEF)}.example:meta`));
    await refused(redis.get(`other:${agentQueue('compute', THIEF)}:meta`));
  });

  it('does not let a thief read or forge reports, nor take the lease on the name of another agent', async () => {
    const redis = await thief();
    for (const [kind, host] of [
      ['compute', VICTIM],
      ['storage', THIEF],
    ] as const) {
      await refused(redis.get(leaseKey(PREFIX, kind, host)));
      await refused(redis.set(leaseKey(PREFIX, kind, host), 'a b'));
      await refused(redis.del(leaseKey(PREFIX, kind, host)));
      await refused(redis.get(reportKey(PREFIX, kind, host)));
      await refused(redis.set(reportKey(PREFIX, kind, host), '{}'));
      await refused(redis.publish(reportChannel(PREFIX, kind, host), '{}'));
      await refused(redis.subscribe(reportChannel(PREFIX, kind, host)));
    }
    await refused(redis.psubscribe(`${PREFIX}:reports:*`));
    await refused(redis.publish(`${PREFIX}:ended`, 'x'));
    await refused(redis.subscribe(`${PREFIX}:ended`));
  });

  it('does not let a thief end what the storage host of the same operation does', async () => {
    const redis = await thief();
    const step = create(randomUUID());
    const own = eventStream(PREFIX, agentQueue('compute', THIEF));
    // The conductor reads that stream too: it has work there.
    const mine = { ...step, queue: agentQueue('compute', THIEF), jobId: `${randomUUID()}.1.0.1` };
    const waiting = dispatcher.run(mine, 3_000);
    waiting.catch(() => undefined);
    const result = dispatcher.run(step, 3_000);
    result.catch(() => undefined);
    await eventually(async () => (await admin.exists(`${PREFIX}:${step.queue}:${step.jobId}`)) === 1);
    const forged = JSON.stringify({
      output: { sizeBytes: 1 },
      account: { ran_ms: 1, commands: [], omitted: 0 },
    });
    for (const jobId of [step.jobId, mine.jobId]) {
      await redis.xadd(own, '*', 'event', 'completed', 'jobId', jobId, 'returnvalue', forged);
    }
    // It may say what it likes of its own work.
    assert.deepEqual(await waiting, { sizeBytes: 1 });
    await assert.rejects(result, { message: /did not answer within 3 s/ });
  });

  it('does not let a thief have the conductor remove the jobs of others', async () => {
    const redis = await thief();
    const victim = agentQueue('storage', STORAGE);
    const connection = openRedis(server.url);
    open.push(connection);
    const queue = new Queue(victim, { connection, prefix: PREFIX });
    await queue.add('volume.ensure', {}, { jobId: 'wanted' });
    const step = { ...create(randomUUID()), queue: agentQueue('compute', THIEF) };
    const result = dispatcher.run(step, 1_500);
    result.catch(() => undefined);
    const key = `${PREFIX}:${step.queue}:${step.jobId}`;
    await eventually(async () => (await admin.exists(key)) === 1);
    // BullMQ's names for a job's children and its parent.
    await redis.sadd(`${key}:dependencies`, `${PREFIX}:${victim}:wanted`);
    await redis.hset(`${key}:processed`, `${PREFIX}:${victim}:wanted`, '1');
    await redis.hset(key, 'parentKey', `${PREFIX}:${victim}:wanted`);
    await assert.rejects(result, { message: /did not answer/ });
    await eventually(async () => (await admin.exists(key)) === 0);
    assert.equal(await (await queue.getJob('wanted'))?.getState(), 'waiting');
    await queue.remove('wanted');
    await queue.close();
  });

  it('has no command that looks at, changes or stops the server', async () => {
    const redis = await thief();
    const calls: [string, ...string[]][] = [
      ['FLUSHALL'],
      ['FLUSHDB'],
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['RANDOMKEY'],
      ['DBSIZE'],
      ['CONFIG', 'GET', '*'],
      ['CONFIG', 'SET', 'dir', '/tmp'],
      ['ACL', 'LIST'],
      ['ACL', 'SETUSER', 'default', 'nopass'],
      ['CLIENT', 'LIST'],
      ['CLIENT', 'KILL', 'TYPE', 'normal'],
      ['MONITOR'],
      ['SLOWLOG', 'GET'],
      ['SHUTDOWN', 'NOSAVE'],
      ['SAVE'],
      ['REPLICAOF', '127.0.0.1', '1'],
      ['MODULE', 'LIST'],
      ['SCRIPT', 'FLUSH'],
      ['FUNCTION', 'LIST'],
      ['SWAPDB', '0', '1'],
      ['SELECT', '1'],
      ['PUBSUB', 'CHANNELS'],
      ['MIGRATE', '127.0.0.1', '1', 'k', '0', '1'],
    ];
    for (const [command, ...args] of calls) await refused(redis.call(command, ...args));
    await refused(redis.eval("return redis.call('KEYS', '*')", 0));
  });

  it('ends when it is taken away, at once for who is connected, and a new password ends the old one', async () => {
    const password = newPassword();
    const agent = { kind: 'compute', host: asId<HostName>('comp3') } as const;
    await putAgentUser(admin, PREFIX, agent, password);
    const url = agentRedisUrl(server.url, PREFIX, agent, password);
    const redis = new Redis(url, { retryStrategy: () => null });
    redis.on('error', () => undefined);
    open.push(redis);
    await redis.ping();
    const closed = once(redis, 'close');
    await putAgentUser(admin, PREFIX, agent, newPassword());
    await closed;
    const again = new Redis(url, { retryStrategy: () => null });
    again.on('error', () => undefined);
    open.push(again);
    await assert.rejects(again.ping());
    assert.deepEqual((await agentUsers(admin, PREFIX)).includes('compute.comp3'), true);
    assert.deepEqual(await dropAgentUser(admin, PREFIX, agent), { existed: true, saved: true });
    assert.deepEqual((await agentUsers(admin, PREFIX)).includes('compute.comp3'), false);
  });
});

/** Redis says that the account may not. */
async function refused(call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, /NOPERM|permission|can't run this command|can't access/i);
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it did not come about');
    await sleep(20);
  }
}
