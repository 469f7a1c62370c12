import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gone } from '#test/support/alive.ts';
import { processTree } from '#test/support/process-tree.ts';

/** A line for each thing that the walk promises to observe, in order. */
const OBSERVATIONS = [
  /✓ up: api, conductor \S+, storage \S+@demo, compute \S+$/,
  /✓ pool \S+@demo#demo-files: .* 0 GiB allocated$/,
  /✓ type gold-\w+ goes to backends with volume_backend_name=demo-files$/,
  /✓ every volume of type gold-\w+ has these limits$/,
  /✓ volume [0-9a-f-]{36} is available on \S+@demo#demo-files$/,
  /✓ file volume-\S+ has 1 GiB and takes \S+ \w+ of the disk$/,
  /✓ the pool’s allocated capacity went from 0 to 1 GiB$/,
  /✓ the API lists server demo-\w+ as ACTIVE/,
  /✓ guest console, .*: ready; disk vda serial=own-disk bytes=67108864$/,
  /✓ in-use as \/dev\/vdb/,
  /✓ guest console: \/dev\/vdb: disk vdb serial=[0-9a-f-]{20} bytes=1073741824$/,
  /✓ virsh dumpxml: <disk> with serial and all four limits, the same in the --inactive XML$/,
  /<read_bytes_sec>80000000</,
  /<write_bytes_sec>40000000</,
  /<read_iops_sec>400</,
  /<write_iops_sec>200</,
  /<serial>[0-9a-f-]{36}<\/serial>/,
  /✓ tgtadm: iqn\.\S+:volume-[0-9a-f-]{36}$/,
  /✓ {3}ACL has exactly one entry, our initiator: iqn\.\S+$/,
  /✓ {3}CHAP account \S+ is bound, 1 session is logged in with it$/,
  /✓ virsh secret-list: the CHAP secret lies with libvirt, not in the XML$/,
  /✓ the guest reads back 2 MiB as written/,
  /✓ the storage host finds the same bytes/,
  /✓ the guest gets \d+ reads of 4 KiB per second; the limit is 400$/,
  /✓ virsh dumpxml, live and --inactive, .* after the request:$/,
  /<read_iops_sec>100</,
  /<write_iops_sec>50</,
  /✓ the guest gets (8[5-9]|9\d|10\d|11[0-5]) reads of 4 KiB per second; the limit is 100$/,
  /✓ guest console: disk vdb resized bytes=2147483648/,
  /✓ API and file agree: 2 GiB/,
  /✓ the guest reads back 2 MiB as written/,
  /✓ available, .* after the request$/,
  /✓ guest console: disk vdb removed$/,
  /✓ virsh dumpxml: no such <disk>, neither live nor --inactive$/,
  /✓ tgtadm: the target and its ACL are gone$/,
  /✓ virsh secret-list: the CHAP secret is gone$/,
  /✓ GET of the volume answers 404$/,
  /✓ its file is gone$/,
  /✓ the pool’s allocated capacity went from 2 to 0 GiB$/,
  /✓ GET of the server answers 404$/,
  /✓ no domain, no libvirt secret, no target, no file of a volume$/,
  /✓ no process: \d+ have ended \(.*qemu-system-x86_64.*\)$/,
  /✓ no file: \S+ is gone$/,
  /^All \d+ observations held, and nothing is left\. It took [\d.]+ s\.$/,
];

interface Run {
  readonly child: ChildProcess;
  /** Everything it ever started, short-lived helpers apart. */
  readonly pids: Set<number>;
  readonly output: () => string;
  readonly ended: () => Promise<number | null>;
}

const LOOK_EVERY_MS = 200;

describe('npm run demo', function () {
  this.timeout(240_000);
  let dir: string;
  let runDir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-demo-'));
    runDir = join(dir, 'run');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  function demo(env: Record<string, string> = {}, args: string[] = []): Run {
    const child = spawn(process.execPath, ['stack/demo.ts', '--run-dir', runDir, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const pids = new Set<number>();
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString();
      });
    const looking = setInterval(() => {
      for (const pid of processTree(child.pid!, runDir)) pids.add(pid);
    }, LOOK_EVERY_MS);
    const exit = once(child, 'close') as Promise<[number | null]>;
    void exit.finally(() => clearInterval(looking));
    return { child, pids, output: () => output, ended: async () => (await exit)[0] };
  }

  async function saying(run: Run, words: string): Promise<void> {
    while (!run.output().includes(words)) await once(run.child.stdout!, 'data');
  }

  async function assertNothingLeft({ pids, output }: Run): Promise<void> {
    assert.ok(pids.size >= 5, 'nothing was started');
    for (const pid of pids) assert.ok(await gone(pid), `${pid} still runs\n${output()}`);
    assert.equal(existsSync(runDir), false);
  }

  it('observes a volume’s whole life, and leaves nothing', async () => {
    const run = demo();
    assert.equal(await run.ended(), 0, run.output());
    const lines = run.output().split('\n');
    let from = 0;
    for (const observation of OBSERVATIONS) {
      const at = lines.findIndex((line, index) => index >= from && observation.test(line));
      assert.ok(at >= 0, `${observation} is not in, or not in its place:\n${run.output()}`);
      from = at + 1;
    }
    assert.ok(!run.output().includes('FAILED'));
    await assertNothingLeft(run);
    assert.deepEqual(await readdir(dir), []);
  });

  it('cleans up when it is interrupted in the middle', async () => {
    const run = demo();
    await saying(run, ' 4  Create');
    run.child.kill('SIGINT');
    assert.equal(await run.ended(), 130, run.output());
    await assertNothingLeft(run);
  });

  it('stays with --keep until it is told to stop', async () => {
    const run = demo({}, ['--keep']);
    await saying(run, 'Ctrl-C here');
    const url = /Block storage +(\S+)/.exec(run.output())?.[1];
    assert.equal((await fetch(url!)).status, 200);
    run.child.kill('SIGTERM');
    assert.equal(await run.ended(), 0, run.output());
    await assertNothingLeft(run);
  });

  it('says what went wrong, keeps the log and cleans up', async () => {
    // The agent cannot read this, so it never comes up.
    const run = demo({ BLOCKYARD_DETACH_TIMEOUT_S: 'soon' });
    assert.equal(await run.ended(), 1, run.output());
    assert.match(run.output(), /^FAILED: .*the process "compute" keeps ending$/m);
    assert.match(run.output(), /compute +\| .*BLOCKYARD_DETACH_TIMEOUT_S must be a number of seconds/);
    await assertNothingLeft(run);
    assert.match(await readFile(`${runDir}.log`, 'utf8'), /BLOCKYARD_DETACH_TIMEOUT_S/);
  });

  it('shows the timeline of the operation that went wrong', async () => {
    // No guest lets go that fast.
    const run = demo({ BLOCKYARD_DETACH_TIMEOUT_S: '0.001' });
    assert.equal(await run.ended(), 1, run.output());
    assert.match(run.output(), /^10 {2}Detach .*FAILED$/m);
    assert.match(run.output(), /^ {2}expected: status available/m);
    assert.match(run.output(), /^Kind +volume\.detach$/m);
    assert.match(run.output(), /^unplug +do .* failed .*the guest did not let go of vdb/m);
    await assertNothingLeft(run);
  });

  it('takes no folder that holds something else', async () => {
    await writeFile(join(dir, 'precious'), '');
    runDir = dir;
    const run = demo();
    assert.equal(await run.ended(), 1);
    assert.match(run.output(), /is not empty, and not a run directory/);
    assert.deepEqual(await readdir(dir), ['precious']);
  });
});
