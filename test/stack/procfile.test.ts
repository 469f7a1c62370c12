import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseProcfile, type RunningProcfile, startProcfile } from '#stack/procfile.ts';
import { alive, gone } from '#test/support/alive.ts';

/** Collects log lines and lets a test wait for one. */
function journal() {
  const lines: string[] = [];
  const waiting: { wanted: string; resolve: () => void }[] = [];
  const log = (name: string, line: string): void => {
    lines.push(`${name} ${line}`);
    for (const one of waiting) if (`${name} ${line}`.startsWith(one.wanted)) one.resolve();
  };
  const next = (wanted: string): Promise<void> => new Promise((resolve) => waiting.push({ wanted, resolve }));
  return { lines, log, next };
}

describe('Procfile', () => {
  let dir: string;
  let running: RunningProcfile | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'blockyard-procfile-'));
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(dir, { recursive: true, force: true });
  });

  async function start(lines: string, log: (name: string, line: string) => void): Promise<RunningProcfile> {
    const file = join(dir, 'Procfile');
    await writeFile(file, lines);
    running = await startProcfile({ file, env: () => process.env, log });
    return running;
  }

  it('is refused when a line would put a shell between us and the program', () => {
    assert.deepEqual([...parseProcfile('# c\n\na: exec x y\n')], [['a', 'exec x y']]);
    assert.throws(() => parseProcfile('a: node x'), /line 1/);
    assert.throws(() => parseProcfile('a: exec x\na: exec y'), /line 2/);
  });

  it('starts a crashed process again and leaves a stopped one alone', async () => {
    const { log, next } = journal();
    const ready = next('a up');
    const { processes } = await start(`a: exec sh -c 'echo up; exec sleep 60'`, log);
    const one = processes.get('a')!;
    await ready;
    const first = one.pid!;
    const again = next('a up');
    await one.kill('SIGKILL');
    await again;
    assert.notEqual(one.pid, first);
    assert.equal(one.restarts, 1);
    await one.stop();
    assert.equal(one.pid, undefined);
    const third = next('a up');
    one.start();
    await third;
    assert.equal(one.restarts, 1);
  });

  it('ends whole process groups, children of a process included', async () => {
    const { lines, log, next } = journal();
    const ready = next('a child');
    const procfile = await start(`a: exec sh -c 'sleep 61 & echo child $!; exec sleep 60'`, log);
    await ready;
    const child = Number(lines.find((line) => line.startsWith('a child'))!.split(' ')[2]);
    assert.ok(alive(child));
    await procfile.stop();
    assert.ok(await gone(child));
  });

  it('takes its processes with it when the supervisor is killed', async () => {
    const file = join(dir, 'Procfile');
    await writeFile(file, `a: exec sh -c 'echo pid $$; exec sleep 60'`);
    const script = join(dir, 'supervisor.ts');
    await writeFile(
      script,
      `import { startProcfile } from '${resolve('stack/procfile.ts')}';
       await startProcfile({ file: '${file}', env: () => process.env, log: (_, line) => console.log(line) });`,
    );
    const supervisor = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [data] = (await once(supervisor.stdout, 'data')) as [Buffer];
    const pid = Number(data.toString().trim().split(' ')[1]);
    assert.ok(alive(pid));
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    assert.ok(await gone(pid));
  });
});
