import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openDatabase } from '#queues/database.ts';
import { createSecrets } from '#queues/secrets.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';
import { eventually } from '#test/api/support/hosts.ts';
import { Stops } from '#test/chaos/stops.ts';
import { Collector, type Received } from './collector.ts';

const execute = promisify(execFile);

// Replies are of every shape; the test looks only at what it is about.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

/** The real processes with files and tgt: what a request leaves behind for those who look after it. */
describe('observability', () => {
  let dir: string;
  let stack: Stack;
  let stops: Stops;
  let collector: Collector;

  before(async function () {
    this.timeout(120_000);
    dir = await mkdtemp(join(tmpdir(), 'by-o-'));
    stops = new Stops(join(dir, 'stops'));
    collector = await Collector.start();
    stack = await startStack({
      runDir: join(dir, 'run'),
      hypervisor: 'noop',
      log: (name, line) => appendFileSync(join(dir, 'log'), `${name} ${line}\n`),
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        BLOCKYARD_STOPPING_POINTS: stops.folder,
        BLOCKYARD_NOOP_SERVERS: '2',
      },
      ready: servicesUp,
    });
  });
  after(async () => {
    await stack?.stop();
    await collector?.[Symbol.asyncDispose]();
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  async function call(method: string, path: string, body?: object, headers = {}): Promise<Json> {
    const response = await fetch(`${stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': stack.adminToken,
        'OpenStack-API-Version': 'volume 3.71, compute 2.79',
        'Content-Type': 'application/json',
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    assert.ok(response.status < 300, `${method} ${path}: ${response.status}`);
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  }
  const becomes = (id: string, status: string) =>
    eventually(async () => {
      const { volume } = await call('GET', `/v3/volumes/${id}`);
      assert.equal(volume.status, status);
    }, 30_000);
  async function timeline(volume: string, kind: string): Promise<Json> {
    const { operations } = await call('GET', `/v3/operations?volume_id=${volume}`);
    const { id } = operations.find((each: Json) => each.kind === kind);
    return (await call('GET', `/v3/operations/${id}`)).operation;
  }
  const blockyard = async (...words: string[]): Promise<string> => {
    const env = { ...process.env, BLOCKYARD_URL: stack.apiUrl, BLOCKYARD_TOKEN: stack.adminToken };
    return (await execute('bin/blockyard', words, { env, timeout: 30_000 })).stdout;
  };
  const logged = () => readFileSync(join(dir, 'log'), 'utf8');
  const metricsUrl = (name: string): string => {
    // It may have been started anew.
    const url = [...logged().matchAll(new RegExp(`metrics of ${name}: (\\S+)`, 'g'))].at(-1)?.[1];
    assert.ok(url !== undefined, `${name} says where its metrics are`);
    return url;
  };

  it('the timeline names host, commands, exit codes and waits; the trace goes from the request to the command, though the conductor dies', async function () {
    this.timeout(60_000);
    stops.arm('conductor.answered@volume.ensure');
    const created = await call(
      'POST',
      '/v3/volumes',
      { volume: { size: 1 } },
      { traceparent: `00-${TRACE}-${CALLER}-01` },
    );
    const pid = await stops.reached('conductor.answered@volume.ensure');
    process.kill(pid, 'SIGKILL');
    stops.release();
    const id: string = created.volume.id;
    await becomes(id, 'available');

    const [server] = (await call('GET', '/compute/v2.1/servers/detail?all_tenants=1')).servers;
    await call('POST', `/compute/v2.1/servers/${server.id}/os-volume_attachments`, {
      volumeAttachment: { volumeId: id },
    });
    await becomes(id, 'in-use');

    const create = await timeline(id, 'volume.create');
    const made = create.steps.find((step: Json) => step.name === 'volume');
    assert.equal(made.state, 'done');
    assert.equal(typeof made.wait_ms, 'number');
    assert.match(made.commands[0].command, new RegExp(`^file: .*volume-${id}.* 1073741824 bytes$`));
    assert.equal(made.commands[0].exit_code, 0);
    const attach = await timeline(id, 'volume.attach');
    const exported = attach.steps.find((step: Json) => step.name === 'export');
    assert.ok(exported.commands.length > 3);
    assert.ok(exported.commands.every(({ command }: Json) => command.startsWith('tgtd: ')));
    assert.ok(exported.commands.some(({ command }: Json) => command.endsWith('password=***')));

    const names = () => collector.of(TRACE).map(({ name }) => name);
    await eventually(async () => {
      assert.ok(names().includes('operation volume.create'), names().join(', '));
    }, 15_000);
    const lineage = (span: Received): string[] => {
      const parent = collector.of(TRACE).find(({ spanId }) => spanId === span.parentSpanId);
      return [span.name, ...(parent === undefined ? [span.parentSpanId ?? ''] : lineage(parent))];
    };
    const ends = collector.of(TRACE).filter(({ name }) => name === 'file');
    assert.ok(ends.length >= 2, 'both conductors had the volume made');
    for (const end of ends) {
      assert.deepEqual(lineage(end), [
        'file',
        'task volume.ensure',
        'step volume',
        'operation volume.create',
        'POST /v3/volumes',
        CALLER,
      ]);
    }
    assert.ok(names().includes('MySQL commit'));
    assert.ok(names().includes('queue wait'));
    const services = new Set(collector.of(TRACE).map(({ service }) => service));
    assert.deepEqual([...services].toSorted(), ['blockyard-api', 'blockyard-conductor', 'blockyard-storage']);
  });

  it('each process has metrics', async () => {
    const text = async (name: string) => (await fetch(metricsUrl(name))).text();
    assert.match(
      await text('api'),
      /blockyard_http_requests_total\{method="POST",route="\/v3\/volumes",status="202"\} 1/,
    );
    const conductor = await text('conductor');
    assert.match(conductor, /^blockyard_operations_stuck 0$/m);
    assert.match(conductor, /^blockyard_pool_total_bytes\{pool="[^"]+"\} [1-9]/m);
    assert.match(conductor, /^blockyard_pool_provisioned_bytes\{pool="[^"]+"\} 1073741824$/m);
    assert.match(conductor, /^blockyard_service_up\{binary="blockyard-storage",host="[^"]+"\} 1$/m);
    assert.match(conductor, /^blockyard_queue_jobs\{queue="operations",state="waiting"\} 0$/m);
    assert.match(
      conductor,
      /^blockyard_operation_duration_seconds_count\{kind="volume.attach",outcome="done"\} 1$/m,
    );
    const storage = await text('storage');
    assert.match(
      storage,
      /^blockyard_command_duration_seconds_count\{program="tgtd",outcome="done"\} [1-9]/m,
    );
    assert.match(await text('compute'), /^blockyard_agent_task_duration_seconds_count\{task="disk.attach"/m);
    for (const name of ['api', 'conductor', 'storage', 'compute']) {
      assert.match(await text(name), /^nodejs_eventloop_lag_seconds /m);
      assert.equal((await fetch(new URL('/readyz', metricsUrl(name)))).status, 200);
      assert.equal((await fetch(new URL('/healthz', metricsUrl(name)))).status, 200);
    }
  });

  it('what failed names the host, the command, its exit code and the wait', async function () {
    this.timeout(60_000);
    const { volume } = await call('POST', '/v3/volumes', { volume: { size: 1 } });
    await becomes(volume.id, 'available');
    await rm(join(stack.runDir, 'volumes', `volume-${volume.id}`));
    await call('POST', `/v3/volumes/${volume.id}/action`, { 'os-extend': { new_size: 2 } });
    await eventually(async () => {
      assert.equal((await timeline(volume.id, 'volume.extend')).state, 'undone');
    }, 30_000);
    const extend = await timeline(volume.id, 'volume.extend');
    const grow = extend.steps.find((step: Json) => step.state === 'failed');
    assert.equal(grow.commands.length, 1);
    assert.equal(grow.commands[0].exit_code, 1);
    assert.equal(grow.commands[0].error, grow.error);
    assert.ok(grow.wait_ms >= 0);
    const { messages } = await call('GET', `/v3/messages?resource_uuid=${volume.id}`);
    assert.equal(messages.length, 1);
    assert.equal(messages[0].event_id, 'VOLUME_VOLUME_007_010');
    assert.match(
      messages[0].user_message,
      new RegExp(`on host ${grow.host}, file: .*volume-${volume.id}.*exit code 1.*wait of \\d+ ms`),
    );
    const { href } = messages[0].links.find(({ rel }: Json) => rel === 'operation');
    assert.ok(href.endsWith(`/operations/${extend.id}`));

    const shown = await blockyard('operations', 'show', extend.id);
    assert.match(shown, /WAITED/);
    assert.match(shown, new RegExp(`grow on ${grow.host}:\\n +AT +DURATION +EXIT +COMMAND`));
    assert.match(
      await blockyard('status'),
      /blockyard-storage .* up[^]*Operations: 0 queued[^]*operations +0 +0 +0/,
    );
  });

  it('no secret shows in timelines, traces, metrics or logs', async () => {
    const db = openDatabase(stack.env['DATABASE_URL'] ?? '');
    const rows = await db
      .selectFrom('attachments')
      .select(['volume_id', 'chap_secret'])
      .where('chap_secret', 'is not', null)
      .execute();
    const steps = JSON.stringify(
      await db.selectFrom('operation_steps').select(['commands', 'error']).execute(),
    );
    await db.destroy();
    const secrets = createSecrets(stack.env['BLOCKYARD_SECRET_KEY'] ?? '');
    const planted = rows.map((row) => secrets.decrypt(row.chap_secret ?? '', row.volume_id));
    assert.ok(planted.length > 0);
    const metrics = await Promise.all(
      ['api', 'conductor', 'storage', 'compute'].map(async (name) => (await fetch(metricsUrl(name))).text()),
    );
    const places = { steps, metrics: metrics.join(''), traces: collector.text, log: logged() };
    const never = [
      ...planted.flatMap((secret) => [secret, Buffer.from(secret).toString('base64')]),
      ...rows.map(({ chap_secret }) => chap_secret ?? ''),
      stack.env['BLOCKYARD_SECRET_KEY'] ?? '',
      stack.adminToken,
    ];
    for (const [place, text] of Object.entries(places)) {
      assert.ok(text.length > 100, place);
      for (const secret of never) assert.ok(!text.includes(secret), `a secret shows in the ${place}`);
    }
  });
});
