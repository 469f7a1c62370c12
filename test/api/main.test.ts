import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { freePort } from '#stack/servers/port.ts';
import { createDatabase } from '#test/support/database.ts';
import { createRedis } from '#test/support/redis.ts';
import { heldFetch } from './support/held-fetch.ts';

function start(variables: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, ['api/main.ts'], {
    env: { PATH: process.env['PATH'], ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('the API as a process', () => {
  it('migrates, answers, and ends requests under way when it is told to stop', async () => {
    await using database = await createDatabase();
    const redis = await createRedis();
    const port = await freePort();
    const api = start({
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      BLOCKYARD_QUEUE_PREFIX: redis.prefix,
      BLOCKYARD_LISTEN: `127.0.0.1:${port}`,
      BLOCKYARD_AUTH: 'none',
      BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
    });
    try {
      assert.ok(api.stdout !== null);
      const [line] = (await once(createInterface(api.stdout), 'line')) as [string];
      assert.equal(line, `api listens on 127.0.0.1:${port}`);
      const url = `http://127.0.0.1:${port}/v3/demo/volumes`;
      const created = await heldFetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ volume: { size: 1 } }),
      });
      assert.equal(created.status, 202);
      const elsewhere = ((await created.json()) as { volume: { id: string } }).volume.id;
      assert.equal((await heldFetch(`http://127.0.0.1:${port}/v3/other/volumes/${elsewhere}`)).status, 404);
      assert.equal((await heldFetch(`http://127.0.0.1:${port}/dashboard`)).status, 200);

      const exited = once(api, 'exit');
      const underWay = heldFetch(`${url}/detail`);
      api.kill('SIGTERM');
      await underWay.then(
        (answer) => assert.equal(answer.status, 200),
        () => undefined,
      );
      assert.deepEqual(await exited, [0, null]);
    } finally {
      api.kill('SIGKILL');
    }
  });

  it('ends when its port is taken, open connections or not', async () => {
    await using database = await createDatabase();
    const redis = await createRedis();
    await using other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const api = start({
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      BLOCKYARD_QUEUE_PREFIX: redis.prefix,
      BLOCKYARD_LISTEN: `127.0.0.1:${(other.address() as AddressInfo).port}`,
      BLOCKYARD_AUTH: 'none',
      BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
    });
    try {
      assert.deepEqual(await once(api, 'exit', { signal: AbortSignal.timeout(15_000) }), [1, null]);
    } finally {
      api.kill('SIGKILL');
    }
  });

  it('says which variable is wrong', async () => {
    const api = start({ REDIS_URL: 'redis://127.0.0.1', BLOCKYARD_AUTH: 'none' });
    assert.ok(api.stderr !== null);
    const [line] = (await once(createInterface(api.stderr), 'line')) as [string];
    assert.equal(line, 'api: DATABASE_URL is not set');
    const [code] = (await once(api, 'close')) as [number];
    assert.equal(code, 1);
  });
});
