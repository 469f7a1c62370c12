import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { openRedis } from '#queues/redis.ts';
import { asId } from '#schema/ids.ts';
import { type AgentReport, REPORT_EVERY_S } from '#schema/reports.ts';
import { startRedis } from '#stack/servers/redis.ts';

describe('an agent whose Redis was away', function () {
  this.timeout(60_000);

  it('reports as soon as it is back, and not when the next report is due', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'by-back-'));
    // Its own: all connections to it are cut.
    const server = await startRedis({ dir: join(dir, 'r') });
    const redis = openRedis(server.url);
    let again = Promise.withResolvers<void>();
    const agent = await startAgent({
      kind: 'storage',
      host: asId('h1'),
      redisUrl: server.url,
      prefix: 'p',
      stateDir: dir,
      handlers: {} as Handlers<'storage'>,
      async report() {
        again.resolve();
        return {} as AgentReport;
      },
      log: () => undefined,
    });
    try {
      again = Promise.withResolvers();
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const cut = performance.now();
      await again.promise;
      assert.ok(performance.now() - cut < (REPORT_EVERY_S * 1_000) / 2);
    } finally {
      await agent.stop();
      redis.disconnect();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});
