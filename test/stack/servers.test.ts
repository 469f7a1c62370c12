import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { startMariadb } from '#stack/servers/mariadb.ts';
import { startRedis } from '#stack/servers/redis.ts';
import { startServer } from '#stack/servers/server.ts';

describe('private servers', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'blockyard-servers-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('Redis keeps its data over a restart, evicts nothing and wants its password', async () => {
    const options = { dir: join(dir, 'redis'), password: 'one' };
    await using first = await startRedis(options);
    const client = new Redis(first.url);
    await client.set('key', 'value');
    assert.deepEqual(await client.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction']);
    client.disconnect();
    const cmdline = await readFile(`/proc/${first.pid}/cmdline`, 'utf8');
    await first.stop();
    assert.throws(() => process.kill(first.pid, 0), { code: 'ESRCH' });
    assert.doesNotMatch(cmdline, /one/);

    await using second = await startRedis(options);
    const again = new Redis(second.url);
    assert.equal(await again.get('key'), 'value');
    again.disconnect();
  });

  it('MariaDB keeps its data over a restart and flushes at each commit', async () => {
    const options = { dir: join(dir, 'mariadb') };
    await using first = await startMariadb(options);
    const connection = await createConnection(first.url);
    await connection.query('CREATE TABLE a (id INT)');
    const [rows] = await connection.query(
      'SELECT @@innodb_flush_log_at_trx_commit AS flush, @@collation_database AS c',
    );
    assert.deepEqual(rows, [{ flush: 1, c: 'utf8mb4_bin' }]);
    await connection.end();
    await first.stop();

    await using second = await startMariadb(options);
    const again = await createConnection(second.url);
    const [tables] = await again.query('SHOW TABLES');
    assert.deepEqual(tables, [{ Tables_in_blockyard: 'a' }]);
    await again.end();
  });

  it('says what the log of a server said that did not come up', async () => {
    const starting = startServer({
      name: 'nonsense',
      program: 'sh',
      args: ['-c', 'echo the reason; exit 3'],
      dir,
      ready: () => Promise.resolve(false),
    });
    await assert.rejects(starting, /nonsense ended while starting; its log ends:\nthe reason/);
  });
});
