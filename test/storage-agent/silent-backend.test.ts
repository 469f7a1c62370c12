import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { systemRunner } from '#agent/run.ts';
import { agentQueue, reportKey } from '#queues/names.ts';
import { createQuestions, type Questions } from '#queues/questions.ts';
import { systemIds } from '#queues/system.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { storageReport } from '#schema/reports.ts';
import { createRedis } from '../support/redis.ts';

const HOST: HostName = asId('storage-1');
const SILENT_MOUNT = `exec 3<>/dev/fuse &&
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none "$1" && echo silent && exec sleep 600`;

/**
 * A FUSE file system whose daemon never says a word is mounted over one of two folders, in a mount namespace that only the agent has: each
 * call to it waits in the kernel, as for the server of an NFS. When the daemon ends, the calls do.
 */
describe('a storage agent with a back end whose file system is silent', () => {
  let folder: string;
  let redis: { readonly url: string; readonly prefix: string };
  let commands: Redis;
  let queue: Queue;
  let events: QueueEvents;
  let questions: Questions;
  let agent: ChildProcess;
  let daemon: ChildProcess;

  before(async function () {
    this.timeout(60_000);
    const canMount = await systemRunner.run('unshare', ['-m', 'sh', '-c', 'exec 3<>/dev/fuse']).then(
      () => true,
      () => false,
    );
    if (!canMount) this.skip();
    folder = await mkdtemp(join(tmpdir(), 'by-silent-'));
    redis = await createRedis();
    commands = new Redis(redis.url);
    const options = { connection: { url: redis.url, maxRetriesPerRequest: null }, prefix: redis.prefix };
    queue = new Queue(agentQueue('storage', HOST), options);
    events = new QueueEvents(queue.name, options);
    await events.waitUntilReady();
    questions = createQuestions({ redisUrl: redis.url, prefix: redis.prefix, ids: systemIds });
    const backends = ['silent', 'well'].map((name) => `file:name=${name},path=${join(folder, name)}`);
    agent = spawn('unshare', ['-m', process.execPath, 'storage-agent/main.ts'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        UV_THREADPOOL_SIZE: '256',
        BLOCKYARD_HOST: HOST,
        REDIS_URL: redis.url,
        BLOCKYARD_QUEUE_PREFIX: redis.prefix,
        BLOCKYARD_STATE_DIR: folder,
        BLOCKYARD_AGENT_KEY: randomBytes(32).toString('hex'),
        BLOCKYARD_SERVICE_DOWN_S: '12',
        BLOCKYARD_BACKENDS: backends.join(';'),
        BLOCKYARD_TARGET: 'none',
        BLOCKYARD_ISCSI_PORTAL: '127.0.0.1:3260',
      },
    });
    await said(agent.stderr, 'is ready');
    const inside = ['-t', String(agent.pid), '-m', 'sh', '-c', SILENT_MOUNT, 'sh', join(folder, 'silent')];
    daemon = spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'inherit'] });
    await said(daemon.stdout, 'silent');
  });

  after(async () => {
    for (const child of [daemon, agent]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    questions?.close();
    await events?.close();
    await queue?.close();
    commands?.disconnect();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const ensure = (backend: string) => {
    const volumeId = randomUUID();
    const input = { volumeId, backend, sizeGib: 1 };
    return queue.add('volume.ensure', { volumeId, seq: 1, requestId: 'r', input });
  };
  const pools = async (): Promise<string[]> => {
    const report = JSON.parse((await commands.get(reportKey(redis.prefix, 'storage', HOST))) ?? 'null');
    return storageReport.parse(report).pools.map(({ backend }) => backend);
  };

  it('carries out tasks of the other, tells of the other alone, and why', async function () {
    this.timeout(90_000);
    const hanging = await Promise.all(Array.from({ length: 40 }, () => ensure('silent')));
    const asked = questions.ask(HOST, 'storage.inventory', {});
    while (!(await Promise.all(hanging.slice(0, 32).map((job) => job.isActive()))).every(Boolean))
      await sleep(100);
    await (await ensure('well')).waitUntilFinished(events, 15_000);
    while ((await pools()).includes('silent')) await sleep(100);
    assert.deepEqual(await pools(), ['well']);
    await (await ensure('well')).waitUntilFinished(events, 15_000);
    const { backends } = await asked;
    assert.deepEqual(
      backends.map(({ name, items, error }) => [name, items?.length, error]),
      [
        ['silent', undefined, 'it has not answered for 25 s'],
        ['well', 0, null],
      ],
    );
    const later = await questions.ask(HOST, 'storage.inventory', {});
    assert.deepEqual(
      later.backends.map(({ name, items }) => [name, items?.length]),
      [
        ['silent', undefined],
        ['well', 2],
      ],
    );
    assert.equal((await Promise.all(hanging.map((job) => job.isFailed()))).includes(true), false);
  });
});

async function said(stream: Readable | null, words: string): Promise<void> {
  let text = '';
  for await (const chunk of stream?.iterator({ destroyOnReturn: false }) ?? []) {
    text += String(chunk);
    if (text.includes(words)) return void stream?.resume();
  }
  throw new Error(`it ended without “${words}”: ${text}`);
}
