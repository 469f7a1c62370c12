import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import Koa from 'koa';
import { createTokenAuthenticator } from '#api/auth/tokens.ts';
import { createDashboard } from '#api/dashboard/dashboard.ts';
import { openRedis } from '#queues/redis.ts';
import { createSecrets } from '#queues/secrets.ts';
import { startApi, type TestApi } from './support/api.ts';
import { heldFetch } from './support/held-fetch.ts';

const TOKENS = JSON.stringify([
  { token: 'token-of-admin', project_id: 'p', user_id: 'ada', roles: ['admin'] },
  { token: 'token-of-member', project_id: 'p', user_id: 'max', roles: ['member'] },
]);

describe('dashboard', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  it('shows the queues to administrators alone, and no secret', async () => {
    const { redis, db } = api;
    const dashboard = createDashboard({
      db,
      redisUrl: redis.url,
      prefix: redis.prefix,
      authenticator: createTokenAuthenticator(TOKENS),
    });
    const server = new Koa().use(dashboard.middleware).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dashboard`;
    const connection = openRedis(redis.url);
    const queue = new Queue('operations', { connection, prefix: redis.prefix });
    try {
      const sealed = createSecrets('ab'.repeat(32)).encrypt('a CHAP secret', 'volume');
      await queue.add('export.ensure', {
        input: { acls: [{ initiator: 'iqn.x', chap: { username: 'u', secret: sealed } }], note: sealed },
      });
      const get = (path: string, password: string) =>
        heldFetch(`${url}${path}`, {
          headers: { Authorization: `Basic ${Buffer.from(`x:${password}`).toString('base64')}` },
        });

      const nobody = await heldFetch(url);
      assert.equal(nobody.status, 401);
      assert.match(nobody.headers.get('www-authenticate') ?? '', /^Basic /);
      assert.equal((await get('', 'token-of-member')).status, 401);
      const page = await get('', 'token-of-admin');
      assert.equal(page.status, 200);
      assert.match(await page.text(), /<title>Blockyard/);
      assert.match(
        page.headers.get('content-security-policy') ?? '',
        /^default-src 'self'.*frame-ancestors 'none'$/,
      );

      const jobs = await get('/api/queues?activeQueue=operations&status=waiting', 'token-of-admin');
      const text = await jobs.text();
      assert.match(text, /iqn\.x/);
      assert.doesNotMatch(text, new RegExp(sealed));
      assert.match(text, /\[hidden\]/);
      const [job] = await queue.getWaiting();
      const one = await get(`/api/queues/operations/${job?.id}`, 'token-of-admin');
      assert.doesNotMatch(await one.text(), new RegExp(sealed));
    } finally {
      await queue.obliterate({ force: true });
      await queue.close();
      connection.disconnect();
      await dashboard.close();
      server.closeAllConnections();
      server.close();
    }
  });
});
