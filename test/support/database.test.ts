import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { createDatabase } from './database.ts';
import { createRedis } from './redis.ts';

describe('support', () => {
  it('gives each caller a database and a prefix of its own', async () => {
    await using one = await createDatabase();
    await using two = await createDatabase();
    const connection = await createConnection(one.url);
    await connection.query('CREATE TABLE only_here (id INT)');
    await connection.end();
    const other = await createConnection(two.url);
    assert.deepEqual((await other.query('SHOW TABLES'))[0], []);
    await other.end();

    const redis = await createRedis();
    assert.notEqual(redis.prefix, (await createRedis()).prefix);
    const client = new Redis(redis.url);
    assert.equal(await client.ping(), 'PONG');
    client.disconnect();
  });
});
