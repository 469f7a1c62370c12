import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Stack, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';

/** Longer than an agent may keep silent. */
const AWAY_MS = 75_000;

describe('Redis that is away for longer than an agent may be', function () {
  this.timeout(180_000);
  let dir: string;
  let stack: Stack;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-o-'));
    stack = await startStack({
      runDir: join(dir, 'run'),
      hypervisor: 'noop',
      target: 'none',
      log: () => undefined,
      env: { BLOCKYARD_BACKENDS: 'noop:name=noop' },
      ready: servicesUp,
    });
  });
  after(async () => {
    await stack?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  // Replies are of every shape; the test looks only at what it is about.
  // oxlint-disable-next-line typescript/no-explicit-any
  async function call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(`${stack.apiUrl}${path}`, {
      method,
      headers: { 'X-Auth-Token': stack.adminToken, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
  const volumes = (method: string, path = '', body?: object) =>
    call(method, `/v3/${stack.project}/volumes${path}`, body);
  const statusOf = async (id: string): Promise<string> => (await volumes('GET', `/${id}`)).body.volume.status;
  const create = async (): Promise<string> =>
    (await volumes('POST', '', { volume: { size: 1 } })).body.volume.id;

  it('turns nothing back: what was asked for meanwhile is done afterwards', async () => {
    const there = await create();
    while ((await statusOf(there)) !== 'available') await sleep(50);
    const [{ id: server }] = (await call('GET', '/compute/v2.1/servers')).body.servers;
    const asked: string[] = [];
    await stack.servers.crashRedis(async () => {
      asked.push(await create());
      await sleep(AWAY_MS);
      asked.push(await create());
      const attached = await call('POST', `/compute/v2.1/servers/${server}/os-volume_attachments`, {
        volumeAttachment: { volumeId: there },
      });
      assert.equal(attached.status, 200, JSON.stringify(attached.body));
    });
    const began = performance.now();
    const wanted = [...asked.map((id) => [id, 'available'] as const), [there, 'in-use'] as const];
    for (const [id, status] of wanted) {
      for (;;) {
        const now = await statusOf(id);
        if (now === status) break;
        assert.ok(['creating', 'attaching'].includes(now), `${id} is ${now}`);
        assert.ok(performance.now() - began < 60_000, `${id} is still ${now}`);
        await sleep(100);
      }
    }
    console.log(`        all done ${Math.round((performance.now() - began) / 1_000)} s after Redis is back`);
  });
});
