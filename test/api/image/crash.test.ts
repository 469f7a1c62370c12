import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '#stack/servers/port.ts';
import { createDatabase } from '#test/support/database.ts';
import { createRedis } from '#test/support/redis.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { eventually } from '../support/hosts.ts';

describe('an api that dies in the midst of an upload', () => {
  it('finds the image waiting for data again at its next start, and nothing of the former ones', async function () {
    this.timeout(60_000);
    await using database = await createDatabase();
    const redis = await createRedis();
    const dir = await mkdtemp(join(tmpdir(), 'blockyard-crash-'));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/image/v2/images`;
    const start = async (): Promise<ChildProcess> => {
      const api = spawn(process.execPath, ['api/main.ts'], {
        env: {
          PATH: process.env['PATH'],
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          BLOCKYARD_QUEUE_PREFIX: redis.prefix,
          BLOCKYARD_LISTEN: `127.0.0.1:${port}`,
          BLOCKYARD_AUTH: 'none',
          BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
          BLOCKYARD_IMAGE_DIR: dir,
        },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      await once(createInterface(api.stdout), 'line');
      return api;
    };
    const status = async (id: string): Promise<string> =>
      ((await (await heldFetch(`${url}/${id}`)).json()) as { status: string }).status;
    const put = (id: string, body: Buffer) =>
      heldFetch(`${url}/${id}/file`, { method: 'PUT', body, headers: { 'Content-Type': TYPE } });

    let api = await start();
    try {
      const created = await heldFetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ disk_format: 'raw', container_format: 'bare' }),
      });
      const { id } = (await created.json()) as { id: string };
      const upload = request(`${url}/${id}/file`, {
        method: 'PUT',
        headers: { 'Content-Type': TYPE, 'Content-Length': 1_000_000 },
      });
      upload.on('error', () => undefined);
      upload.write(Buffer.alloc(500_000));
      await eventually(async () => assert.equal(await status(id), 'saving'));

      const gone = once(api, 'exit');
      api.kill('SIGKILL');
      await gone;
      api = await start();
      assert.equal(await status(id), 'queued');
      assert.equal((await put(id, Buffer.from('data'))).status, 204);
      assert.equal(await status(id), 'active');
      assert.deepEqual((await readdir(dir)).toSorted(), [id]);
    } finally {
      api.kill('SIGKILL');
      await rm(dir, { recursive: true });
    }
  });
});

const TYPE = 'application/octet-stream';
