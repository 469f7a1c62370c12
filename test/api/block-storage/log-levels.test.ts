import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setLogLevels } from '#telemetry/log-levels.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { eventually, type Hosts, startHosts } from '../support/hosts.ts';

/** What another api process does when it is asked. */
const ANOTHER_API = `
  import { createQuestions } from '#queues/questions.ts';
  const { url, prefix, wanted } = process.env;
  const questions = createQuestions({ redisUrl: url, prefix, ids: { uuid: () => 'another' } });
  while (true) {
    try {
      await questions.ask('nowhere', 'conductor.log-levels', { prefix: '', level: null });
    } catch (error) {
      if (error.reason === 'away') break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await questions.setApiLogLevels(JSON.parse(wanted));
  questions.close();
`;

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

  it('of the api are those of all its processes', async function () {
    this.timeout(60_000);
    const told = async () =>
      (await put('get-log', { binary: 'cinder-api', prefix: 'blockyard.http' })).body.log_levels[0].levels;
    const elsewhere = (host: string | null, level: string) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', ANOTHER_API], {
        cwd: new URL('../../../', import.meta.url).pathname,
        env: {
          ...process.env,
          ...api.redis,
          wanted: JSON.stringify({ prefix: 'blockyard.http', level, host }),
        },
      });
    try {
      await elsewhere(null, 'ERROR');
      await eventually(async () => assert.deepEqual(await told(), { 'blockyard.http': 'ERROR' }));
      await elsewhere('another-host', 'DEBUG');
      assert.deepEqual(await told(), { 'blockyard.http': 'ERROR' });
    } finally {
      setLogLevels('', 'INFO');
    }
  });

  it('are of a level and a service that there is', async () => {
    const wrong = await put('set-log', { level: 'LOUD' });
    assert.equal(wrong.body.badRequest.message, 'Invalid input received: LOUD is not a valid log level.');
    assert.equal((await put('set-log', {})).status, 400);
    assert.equal((await put('get-log', { binary: 'hat' })).status, 400);
    const early = await put('get-log', {}, 31);
    assert.equal(early.status, 400);
    assert.equal(early.body.badRequest.message, 'Invalid input received: Unknown action');
    assert.deepEqual((await put('get-log', { server: 'nowhere' })).body.log_levels, []);
  });
});
