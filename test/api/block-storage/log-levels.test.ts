import assert from 'node:assert/strict';
import { setLogLevels } from '#telemetry/log-levels.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { type Hosts, startHosts } from '../support/hosts.ts';

describe('log levels', () => {
  let api: TestApi;
  let hosts: Hosts;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api);
  });
  after(async () => {
    setLogLevels('', 'INFO');
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const put = (path: string, body: object, version = 71) =>
    api.call('PUT', `/os-services/${path}`, { as: 'admin', body, version });

  it('are told of the api, the conductor and each agent that answers', async () => {
    const { status, body } = await put('get-log', { binary: '*' });
    assert.equal(status, 200);
    const binaries = body.log_levels.map(({ binary }: { binary: string }) => binary);
    assert.deepEqual(binaries, ['cinder-api', 'cinder-scheduler', 'blockyard-compute']);
    assert.equal(body.log_levels[0].levels.blockyard, 'INFO');
    const one = await put('get-log', {
      binary: 'cinder-scheduler',
      server: 'cond1',
      prefix: 'blockyard.sql',
    });
    assert.deepEqual(one.body.log_levels, [
      { host: 'cond1', binary: 'cinder-scheduler', levels: { 'blockyard.sql': 'INFO' } },
    ]);
  });

  it('change by prefix, and what is logged with them', async () => {
    const lines: string[] = [];
    const before = console.error;
    console.error = (line: string) => void lines.push(line);
    try {
      assert.equal(
        (await put('set-log', { binary: 'cinder-api', prefix: 'blockyard.http', level: 'debug' })).status,
        202,
      );
      await api.call('GET', '/limits');
      assert.ok(
        lines.some((line) => /^DEBUG blockyard\.http: req-\S+ GET \/v3\/limits 200$/.test(line)),
        lines.join('\n'),
      );
      await put('set-log', { binary: 'cinder-scheduler', level: 'ERROR' });
      const { body } = await put('get-log', { binary: 'cinder-scheduler' });
      assert.deepEqual(new Set(Object.values(body.log_levels[0].levels)), new Set(['ERROR']));
    } finally {
      console.error = before;
      setLogLevels('', 'INFO');
    }
  });

  it('are of a level and a service that there is', async () => {
    const wrong = await put('set-log', { level: 'LOUD' });
    assert.equal(wrong.body.badRequest.message, 'Invalid input received: LOUD is not a valid log level.');
    assert.equal((await put('set-log', {})).status, 400);
    assert.equal((await put('get-log', { binary: 'hat' })).status, 400);
    assert.equal((await put('get-log', {}, 31)).status, 404);
    assert.deepEqual((await put('get-log', { server: 'nowhere' })).body.log_levels, []);
  });
});
