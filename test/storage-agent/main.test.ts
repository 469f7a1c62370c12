import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { thisMachine } from '#agent/machine.ts';
import { agentQueue, leaseKey, reportKey } from '#queues/names.ts';
import { createSecrets } from '#queues/secrets.ts';
import { type TaskAccount, taskResult } from '#schema/accounts.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { storageReport } from '#schema/reports.ts';
import { TASKS, type TaskInput, type TaskName, type TaskOutput } from '#schema/tasks.ts';
import { OWNER_MARK } from '#storage-agent/backends/file/owner.ts';
import { createRedis } from '../support/redis.ts';
import { qemuIo } from './targets/iscsi.ts';
import { startTgtFixture, type TgtFixture } from './targets/tgt/fixture.ts';

const HOST: HostName = asId('storage-1');
const SECRET = 'planted-secret-1';

describe('storage agent process', () => {
  const key = randomBytes(32).toString('hex');
  const secrets = createSecrets(key);
  let fixture: TgtFixture;
  let folder: string;
  let redis: { readonly url: string; readonly prefix: string };
  let commands: Redis;
  let queue: Queue;
  let events: QueueEvents;
  let agent: ChildProcess;
  let log = '';
  let seq = 0;
  /** Of the last task. */
  let told: TaskAccount;

  before(async function () {
    this.timeout(60_000);
    fixture = await startTgtFixture();
    folder = await mkdtemp(join(tmpdir(), 'by-agent-'));
    redis = await createRedis();
    commands = new Redis(redis.url);
    const options = { connection: { url: redis.url, maxRetriesPerRequest: null }, prefix: redis.prefix };
    queue = new Queue(agentQueue('storage', HOST), options);
    events = new QueueEvents(queue.name, options);
    await events.waitUntilReady();
    // As an agent leaves it that is killed while it encrypts.
    await mkdir(join(folder, 'storage/disks'), { recursive: true });
    for (const name of ['passphrase-v', 'clear-v'])
      await writeFile(join(folder, 'storage/disks', name), SECRET);
    await startAgain('is ready');
  });

  after(async () => {
    agent?.kill('SIGKILL');
    await events?.close();
    await queue?.close();
    commands?.disconnect();
    await fixture?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const ask = async <N extends TaskName>(name: N, input: TaskInput<N> & { volumeId: string }) => {
    seq += 1;
    const job = await queue.add(name, { volumeId: input.volumeId, seq, requestId: 'req-test', input });
    const { output, account } = taskResult.parse(await job.waitUntilFinished(events, 20_000));
    told = account;
    return TASKS[name].output.parse(output) as TaskOutput<N>;
  };
  const report = async () =>
    storageReport.parse(JSON.parse((await commands.get(reportKey(redis.prefix, 'storage', HOST))) ?? 'null'));
  const start = (host: string, stateDir: string): ChildProcess =>
    spawn(process.execPath, ['storage-agent/main.ts'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        BLOCKYARD_HOST: host,
        REDIS_URL: redis.url,
        BLOCKYARD_QUEUE_PREFIX: redis.prefix,
        BLOCKYARD_STATE_DIR: stateDir,
        BLOCKYARD_AGENT_KEY: key,
        BLOCKYARD_BACKENDS: `file:name=files,path=${join(folder, 'volumes')},reserved_percentage=5`,
        BLOCKYARD_TGT_SOCKET: fixture.socket,
        BLOCKYARD_ISCSI_PORTAL: fixture.tgtd.portal,
      },
    });
  /** The agent of all tests, until it has said that. */
  const startAgain = async (said: string): Promise<void> => {
    agent = start(HOST, folder);
    log = '';
    for (const stream of [agent.stdout, agent.stderr])
      stream?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    while (!log.includes(said)) {
      assert.equal(agent.exitCode, null, log);
      await sleep(20);
    }
  };
  const argvs = async (): Promise<string> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const all = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    return all.join('\n');
  };

  it('removes what a former agent was killed over, passphrases and data in clear', async () => {
    assert.deepEqual(
      (await readdir(folder, { recursive: true })).filter((name) => /passphrase|clear/.test(name)),
      [],
    );
  });

  it('tells of its pools', async () => {
    const { host, pools, availabilityZone } = await report();
    assert.equal(host, HOST);
    assert.equal(availabilityZone, 'nova');
    assert.deepEqual(
      pools.map(({ backend, backendName, reservedPercentage, thin }) => [
        backend,
        backendName,
        reservedPercentage,
        thin,
      ]),
      [['files', 'files', 5, true]],
    );
  });

  it('carries out tasks from its queue, and shows no secret in argv or its log', async () => {
    const place = { volumeId: randomUUID(), backend: 'files' };
    const login = { initiator: 'iqn.2010-10.org.blockyard:host:a', username: 'u1', secret: SECRET };
    await ask('volume.ensure', { ...place, sizeGib: 1 });
    const acls = [
      {
        initiator: login.initiator,
        chap: { username: 'u1', secret: secrets.encrypt(SECRET, place.volumeId) },
      },
    ];
    let seen = '';
    const looking = { on: true };
    const look = (async () => {
      while (looking.on) {
        seen += await argvs();
        await sleep(1);
      }
    })();
    const { connection } = await ask('export.ensure', { ...place, number: 1, acls });
    looking.on = false;
    await look;
    assert.ok(connection);
    assert.ok(seen.includes('tgtd'));
    assert.ok(!seen.includes(SECRET));
    const made = told.commands.map(({ command }) => command);
    assert.ok(made.includes('tgtd: account create user=u1,password=***'), made.join('\n'));
    assert.ok(!JSON.stringify(told).includes(SECRET));
    await qemuIo(connection, login, 'write 0 4k');
    await assert.rejects(ask('volume.absent', place), /^Error: refused: /);
    await ask('export.ensure', { ...place, number: 1, acls: [] });
    await ask('volume.absent', place);
    assert.ok(!log.includes(SECRET));
    assert.deepEqual(await readdir(join(folder, 'volumes')), [OWNER_MARK]);
  });

  it('does not start in the folder of another host, and says why', async () => {
    const other = start('other', join(folder, 'other'));
    try {
      let said = '';
      other.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      assert.deepEqual(await once(other, 'close'), [1, null]);
      assert.ok(said.includes(`is the folder of storage host ${HOST}, and this one is other`), said);
    } finally {
      other.kill('SIGKILL');
    }
  });

  it('reports a new boot at once when the target has lost its exports', async () => {
    const before = (await report()).bootId;
    await fixture.restart();
    const deadline = performance.now() + 5_000;
    while ((await report()).bootId === before) {
      assert.ok(performance.now() < deadline, 'not within five seconds');
      await sleep(20);
    }
  });

  it('ends when asked to', async () => {
    agent.kill('SIGTERM');
    const [code] = (await once(agent, 'exit')) as [number | null];
    assert.equal(code, 0, log);
  });

  it('ends and says why once another machine works under its name, for which it then waits', async function () {
    this.timeout(60_000);
    const lease = leaseKey(redis.prefix, 'storage', HOST);
    // It was given up when the former agent was asked to end.
    assert.equal(await commands.exists(lease), 0);
    await startAgain('is ready');
    await commands.set(lease, 'machine boot 2026-01-01T00:00:00.000Z 1 elsewhere');
    assert.deepEqual(await once(agent, 'close'), [1, null], log);
    const other = `storage.${HOST} is the agent of the machine elsewhere, since 2026-01-01T00:00:00.000Z`;
    assert.ok(log.includes(`${other} by now`), log);
    await startAgain(`${other} already`);
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    assert.ok(!log.includes('is ready'), log);
  });

  it('says that it is not ready, and why, while it waits for its name', async function () {
    this.timeout(60_000);
    const lease = leaseKey(redis.prefix, 'storage', HOST);
    await commands.set(lease, 'machine boot 2026-01-01T00:00:00.000Z 1 elsewhere');
    await startAgain('elsewhere, since 2026-01-01T00:00:00.000Z already');
    const ask = async (path: string) => {
      const [url] = /http:\S+(?=\/metrics)/.exec(log) ?? [];
      const response = await fetch(`${url}${path}`);
      return [response.status, await response.text()] as const;
    };
    const [status, reason] = await ask('/readyz');
    assert.equal(status, 503);
    assert.match(
      reason,
      /^BLOCKYARD_HOST: storage\.storage-1 is the agent of the machine elsewhere, since 2026/,
    );
    assert.equal((await ask('/healthz'))[0], 200);
    // As if the other one had been this machine's own former agent: then nothing is waited for.
    const { id, boot } = await thisMachine();
    await commands.set(lease, `${id} ${boot} 2026-01-01T00:00:00.000Z 2 here`);
    while (!log.includes('is ready')) await sleep(20);
    assert.deepEqual(await ask('/readyz'), [200, 'ready\n']);
    agent.kill('SIGTERM');
    await once(agent, 'exit');
  });
});
