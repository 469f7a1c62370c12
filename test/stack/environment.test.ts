import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { type Stack, startStack } from '#stack/environment.ts';
import { gone } from '#test/support/alive.ts';

/** Stands in for the API and an agent. */
const STAND_IN = `
import { createServer } from 'node:http';
const [host, port] = process.env.BLOCKYARD_LISTEN.split(':');
if (process.argv[2] === 'api') createServer((_, reply) => reply.end('{}')).listen(Number(port), host);
else setInterval(() => {}, 1000);
`;

describe('the stack', function () {
  this.timeout(120_000);
  let dir: string;
  let procfile: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-env-'));
    procfile = join(dir, 'Procfile');
    await writeFile(join(dir, 'stand-in.mjs'), STAND_IN);
    await writeFile(
      procfile,
      ['api', 'storage'].map((name) => `${name}: exec node ${join(dir, 'stand-in.mjs')} ${name}\n`).join(''),
    );
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const start = async (): Promise<Stack> =>
    startStack({ runDir: join(dir, 'run'), procfile, log: () => undefined });

  function pidsOf(stack: Stack): number[] {
    const { redis, mariadb, tgtd, libvirt } = stack.servers;
    const servers = [redis, mariadb, tgtd, libvirt].map((server) => server!.pid);
    return [...servers, ...[...stack.processes.values()].map(({ pid }) => pid!)];
  }

  it('starts, hides the database from the agents, stops everything and starts again with the same data', async () => {
    await using stack = await start();
    const pids = pidsOf(stack);
    assert.equal((await fetch(stack.apiUrl)).status, 200);
    const agent = await readFile(`/proc/${stack.processes.get('storage')!.pid}/environ`, 'utf8');
    assert.match(agent, /REDIS_URL/);
    assert.match(agent, /BLOCKYARD_TGT_SOCKET/);
    // Not TEST_DATABASE_URL, which a test run's own servers leave in the environment.
    assert.doesNotMatch(agent, /(^|\0)(DATABASE_URL|BLOCKYARD_TOKENS_FILE|BLOCKYARD_SECRET_KEY)=/);
    assert.ok(!agent.includes(stack.env['REDIS_URL']!) && agent.includes('BLOCKYARD_AGENT_KEY='));
    assert.equal((await stat(join(dir, 'run/stack.json'))).mode & 0o777, 0o600);
    await assert.rejects(start(), /another stack runs in/);

    for (const pid of pids) {
      assert.ok(
        !(await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(stack.env['BLOCKYARD_SECRET_KEY']!),
      );
    }
    const client = new Redis(stack.env['REDIS_URL']!);
    await client.set('kept', 'yes');
    client.disconnect();
    await stack.stop();
    for (const pid of pids) assert.ok(await gone(pid), `${pid} still runs`);

    await using again = await start();
    assert.equal(again.adminToken, stack.adminToken);
    assert.equal(again.env['BLOCKYARD_ISCSI_PORTAL'], stack.env['BLOCKYARD_ISCSI_PORTAL']);
    await again.servers.crashRedis();
    const second = new Redis(again.env['REDIS_URL']!);
    assert.equal(await second.get('kept'), 'yes');
    second.disconnect();
  });

  it('leaves nothing running when it is killed, and starts again at once', async () => {
    const script = join(dir, 'killed.ts');
    await writeFile(
      script,
      `import { startStack } from '${resolve('stack/environment.ts')}';
       const stack = await startStack({ runDir: '${join(dir, 'run')}', procfile: '${procfile}', log: () => {} });
       const { redis, mariadb, tgtd, libvirt } = stack.servers;
       console.log([redis, mariadb, tgtd, libvirt, ...stack.processes.values()].map(({ pid }) => pid).join());`,
    );
    const killed = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [data] = (await Promise.race([once(killed.stdout, 'data'), once(killed, 'exit')])) as [Buffer];
    const pids = data.toString().trim().split(',').map(Number);
    assert.equal(pids.length, 6);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await using stack = await start();
    for (const pid of pids) assert.ok(await gone(pid), `${pid} still runs`);
    assert.equal((await fetch(stack.apiUrl)).status, 200);
  });

  it('ends what it started when a process does not come up', async () => {
    const failing = join(dir, 'Failing');
    await writeFile(failing, `api: exec false\n`);
    const runDir = join(dir, 'failing');
    const starting = startStack({ runDir, procfile: failing, log: () => undefined });
    await assert.rejects(starting, /the process "api" keeps ending/);
    for (const name of ['redis/redis-server', 'mariadb/mariadbd', 'tgt/tgtd', 'libvirt/libvirtd']) {
      const [pid] = (await readFile(join(runDir, `${name}.pid`), 'utf8')).split(' ');
      assert.ok(await gone(Number(pid)), `${name} still runs`);
    }
  });
});
