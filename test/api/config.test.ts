import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '#api/config.ts';

const RIGHT = {
  DATABASE_URL: 'mysql://u:hidden@127.0.0.1/d',
  REDIS_URL: 'redis://127.0.0.1',
  BLOCKYARD_AUTH: 'none',
  BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
};

describe("the API's configuration", () => {
  it('has defaults for what need not be said', () => {
    const config = readConfig(RIGHT);
    assert.deepEqual(
      [config.host, config.port, config.queuePrefix, config.availabilityZone],
      ['127.0.0.1', 8776, 'blockyard', 'nova'],
    );
  });

  it('names the variable that is wrong, and not its value', () => {
    for (const [name, value] of [
      ['DATABASE_URL', 'postgres://u:hidden@x/y'],
      ['REDIS_URL', undefined],
      ['BLOCKYARD_AUTH', 'kerberos'],
      ['BLOCKYARD_SECRET_KEY', 'hidden'],
      ['BLOCKYARD_LISTEN', 'hidden'],
      ['BLOCKYARD_QUEUE_PREFIX', 'a b'],
    ] as const) {
      assert.throws(
        () => readConfig({ ...RIGHT, [name]: value }),
        (error: Error) => error.message.startsWith(`${name} `) && !error.message.includes('hidden'),
      );
    }
  });

  it('without authentication it listens on loopback addresses only', () => {
    for (const listen of ['127.0.0.1:1', '127.8.9.1:1', 'localhost:1', '[::1]:1']) {
      assert.equal(readConfig({ ...RIGHT, BLOCKYARD_LISTEN: listen }).port, 1);
    }
    for (const listen of [
      '0.0.0.0:1',
      '[::]:1',
      '10.0.0.1:1',
      'localhost.example.org:1',
      '127.0.0.1.example.org:1',
    ]) {
      assert.throws(
        () => readConfig({ ...RIGHT, BLOCKYARD_LISTEN: listen }),
        /^Error: BLOCKYARD_LISTEN must be a loopback/,
      );
    }
  });

  it('reads a tokens file, and never tells a token', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'blockyard-config-'));
    const file = join(dir, 'tokens.json');
    const variables = {
      ...RIGHT,
      BLOCKYARD_AUTH: 'tokens',
      BLOCKYARD_TOKENS_FILE: file,
      BLOCKYARD_LISTEN: '0.0.0.0:1',
    };
    try {
      await writeFile(
        file,
        JSON.stringify([{ token: 'hidden-token', project_id: 'p', user_id: 'u', roles: ['admin'] }]),
      );
      const { tokens } = readConfig(variables);
      assert.ok(tokens?.isAdminToken('hidden-token'));
      assert.ok(!tokens?.isAdminToken('hidden-tokem'));
      await writeFile(
        file,
        JSON.stringify([{ token: 'hidden-token', project_id: 'p', user_id: 'u', roles: ['king'] }]),
      );
      assert.throws(
        () => readConfig(variables),
        (error: Error) =>
          error.message.startsWith('BLOCKYARD_TOKENS_FILE: entry 0.roles') &&
          !error.message.includes('hidden'),
      );
      assert.throws(
        () => readConfig({ ...variables, BLOCKYARD_TOKENS_FILE: undefined }),
        /BLOCKYARD_TOKENS_FILE is not set/,
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
