import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createApp } from '#api/app.ts';
import { noAuthentication } from '#api/auth/none.ts';
import { createImages } from '#api/image/service.ts';
import { createApi } from '#api/server.ts';
import { openDatabase } from '#queues/database.ts';
import { createDirectTasks } from '#queues/drift/direct-tasks.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { createQuestions } from '#queues/questions.ts';
import { createSecrets } from '#queues/secrets.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { freePort } from '#stack/servers/port.ts';
import { heldFetch } from '../support/held-fetch.ts';

describe('outage', () => {
  it('without a database every request is told so, with a 503', async () => {
    const nowhere = `127.0.0.1:${await freePort()}`;
    const db = openDatabase(`mysql://u@${nowhere}/d`);
    const parts = { db, clock: systemClock, ids: systemIds };
    const operations = createOperationGateway({ ...parts, redisUrl: `redis://${nowhere}`, prefix: 'test' });
    const questions = createQuestions({ redisUrl: `redis://${nowhere}`, prefix: 'test', ids: systemIds });
    const secrets = createSecrets('ab'.repeat(32));
    const images = createImages({
      name: 'test',
      dir: undefined,
      maxBytes: 1,
      projectBytes: undefined,
      secretKey: 'ab'.repeat(32),
      clock: systemClock,
    });
    const app = createApp({
      ...parts,
      operations,
      questions,
      directTasks: createDirectTasks({
        redisUrl: `redis://${nowhere}`,
        prefix: 'test',
        clock: systemClock,
        ids: systemIds,
      }),
      secrets,
      defaultAvailabilityZone: 'nova',
      images,
    });
    const log: string[] = [];
    const server = createApi(app, { authenticator: noAuthentication, log: (line) => log.push(line) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3/p/volumes`;
    try {
      const requests = [
        heldFetch(url),
        heldFetch(`${url}/11111111-1111-4111-8111-111111111111`),
        heldFetch(url, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ volume: { size: 1 } }),
        }),
      ];
      for (const answer of await Promise.all(requests)) {
        assert.equal(answer.status, 503);
        assert.match(
          await answer.text(),
          /^\{"serviceUnavailable":\{"code":503,"message":"The database does not/,
        );
      }
      assert.equal(log.length, 3);
    } finally {
      server.closeAllConnections();
      server.close();
      questions.close();
      await operations.close();
      await db.destroy();
    }
  });
});
