import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, QueueEvents } from 'bullmq';
import { agentQueue, reportChannel } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { taskResult } from '#schema/accounts.ts';
import { asId } from '#schema/ids.ts';
import { agentReport, type ComputeReport } from '#schema/reports.ts';
import { createRedis } from '../support/redis.ts';
import { Lab } from './support/lab.ts';

const HOST = 'hypervisor-1';
const SECRET_KEY = 'ab'.repeat(32);

describe('the compute agent as a process', function () {
  this.timeout(60_000);
  let dir: string;
  let url: string;
  let prefix: string;
  let lab: Lab;

  before(async () => {
    lab = await Lab.open();
    ({ url, prefix } = await createRedis());
    dir = await mkdtemp(join(tmpdir(), 'by-'));
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const start = (more: Record<string, string>) => {
    const env = {
      ...process.env,
      BLOCKYARD_HOST: HOST,
      REDIS_URL: url,
      BLOCKYARD_QUEUE_PREFIX: prefix,
      BLOCKYARD_STATE_DIR: dir,
      BLOCKYARD_AGENT_KEY: SECRET_KEY,
      BLOCKYARD_LIBVIRT_URI: lab.libvirt.uri,
      ...more,
    };
    const child = spawn(process.execPath, ['compute-agent/main.ts'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    return { child, exited: once(child, 'exit'), said: () => said };
  };

  /** Reports as they come; `next` resolves with the first from now on that satisfies. */
  async function listen() {
    const redis = openRedis(url);
    await redis.subscribe(reportChannel(prefix, 'compute', asId(HOST)));
    const next = (wanted: (report: ComputeReport) => boolean) =>
      new Promise<ComputeReport>((resolve) => {
        redis.on('message', (_channel, text: string) => {
          const report = agentReport.parse(JSON.parse(text));
          if (report.kind === 'compute' && wanted(report)) resolve(report);
        });
      });
    return { next, close: () => redis.disconnect() };
  }

  it('reports its servers, each change at once, and works on its queue', async () => {
    const reports = await listen();
    const first = reports.next(() => true);
    const agent = start({});
    assert.deepEqual((await first).servers, []);
    assert.equal((await first).initiator, `iqn.2010-10.org.blockyard:host:${HOST}`);

    const seen = reports.next(({ servers }) => servers.length === 1);
    const began = performance.now();
    const server = await lab.deafGuest('one');
    assert.equal((await seen).servers[0]?.id, server);
    assert.ok(performance.now() - began < 3_000);

    const [connection, listening] = [openRedis(url), openRedis(url)];
    const name = agentQueue('compute', asId(HOST));
    const queue = new Queue(name, { connection, prefix });
    const events = new QueueEvents(name, { connection: listening, prefix });
    const volume = await lab.volume();
    const envelope = {
      volumeId: volume.id,
      seq: 1,
      requestId: 'req-1',
      input: lab.attachment(volume, server),
    };
    const attached = await queue.add('disk.attach', envelope);
    const { output, account } = taskResult.parse(await attached.waitUntilFinished(events));
    assert.deepEqual(output, { device: '/dev/vda' });
    const said = account.commands.map(({ command }) => command);
    assert.ok(
      said.some((command) => command.startsWith(`virsh attach-device ${server} `)),
      said.join('\n'),
    );
    assert.ok(said.some((command) => /^virsh secret-set-value [0-9a-f-]{36} \*\*\*$/.test(command)));
    assert.ok(account.commands.every(({ exit_code }) => exit_code === 0));
    const input = { ...envelope.input, serverId: '00000000-0000-4000-8000-000000000000' };
    const missing = await queue.add('disk.attach', { ...envelope, seq: 2, input });
    await assert.rejects(
      missing.waitUntilFinished(events),
      /^Error: not-found: server .* is not on this host/,
    );
    await events.close();
    await queue.close();
    // BullMQ leaves connections alone that it was given.
    for (const redis of [connection, listening]) redis.disconnect();

    agent.child.kill('SIGTERM');
    assert.deepEqual(await agent.exited, [0, null], agent.said());
    reports.close();
  });

  it('leaves no virsh behind when it is killed', async () => {
    const reports = await listen();
    const first = reports.next(() => true);
    const agent = start({});
    await first;
    const children = await lab.children(agent.child.pid!);
    assert.ok(children.length >= 2, 'one virsh listens, another takes commands');
    agent.child.kill('SIGKILL');
    await agent.exited;
    await lab.gone(children);
    reports.close();
  });

  it('pretends for the benchmark', async () => {
    const reports = await listen();
    const first = reports.next(({ servers }) => servers.length === 7);
    const agent = start({ BLOCKYARD_HYPERVISOR: 'noop', BLOCKYARD_NOOP_SERVERS: '7' });
    assert.equal((await first).servers[6]?.id, '00000000-0000-4000-8000-000000000007');
    assert.deepEqual(await lab.children(agent.child.pid!), []);
    agent.child.kill('SIGTERM');
    assert.deepEqual(await agent.exited, [0, null], agent.said());
    reports.close();
  });

  it('names the variable that is wrong', async () => {
    const agent = start({ BLOCKYARD_HYPERVISOR: 'xen' });
    assert.notEqual((await agent.exited)[0], 0);
    assert.match(agent.said(), /BLOCKYARD_HYPERVISOR must be libvirt or noop/);
  });
});
