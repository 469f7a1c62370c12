import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Companion, type StartCompanion, systemCompanion } from '#agent/companion.ts';
import { systemRunner } from '#agent/run.ts';
import { type Helpers, startHelpers } from '#storage-agent/targets/lio/helpers.ts';

const DEADLINE_MS = 1_000;
const INITIATOR = 'iqn.2010-10.org.blockyard:host:a';

/** A folder in which asking for some exports blocks for ever: a named pipe stands for a file that the kernel keeps back. */
describe('the processes that write configfs', function () {
  this.timeout(30_000);
  let root: string;
  let helpers: Helpers;
  let started: Companion[];
  /** Processes in the kernel's hands outlive their signal; these do as long as it is set. */
  let unkillable: Promise<void> | null;

  const start: StartCompanion = (...args) => {
    const companion = systemCompanion(...args);
    started.push(companion);
    return {
      ...companion,
      async stop() {
        await unkillable;
        await companion.stop();
      },
    };
  };
  const makeExport = async (name: string, blocks: boolean): Promise<void> => {
    const dir = join(root, 'iscsi', name, 'tpgt_1/acls', INITIATOR);
    await mkdir(dir, { recursive: true });
    const info = join(dir, 'info');
    if (blocks) await systemRunner.run('mkfifo', [info]);
    else await writeFile(info, 'No active iSCSI Session');
  };
  const find = (iqn: string) => helpers.run(iqn, { do: 'find', iqn, name: 'volume-x' });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'by-lio-'));
    started = [];
    unkillable = null;
    await mkdir(join(root, 'core'));
    for (const name of ['iqn.a', 'iqn.b']) await makeExport(name, false);
    for (const name of ['iqn.stuck1', 'iqn.stuck2']) await makeExport(name, true);
    helpers = startHelpers({ start, root, deadlineMs: DEADLINE_MS });
  });
  afterEach(async () => {
    unkillable = null;
    helpers.close();
    await Promise.all(started.map(({ ended }) => ended));
    await rm(root, { recursive: true });
  });

  it('need one process for one piece of work after another', async () => {
    for (let round = 0; round < 5; round += 1)
      assert.deepEqual(await find('iqn.a'), { initiators: [INITIATOR], sessions: 0 });
    assert.equal(started.length, 1);
  });

  it('do much at once with few processes', async () => {
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, n) => find(n % 2 === 0 ? 'iqn.a' : 'iqn.b')),
    );
    assert.ok(all.every((found) => found?.initiators.length === 1));
    assert.ok(started.length <= 3, `${started.length} processes`);
  });

  it('let one volume’s call hang and go on with the others', async () => {
    const hangs = assert.rejects(find('iqn.stuck1'), /^Error: the kernel has not answered within 1000 ms$/);
    const also = assert.rejects(find('iqn.stuck2'), /has not answered/);
    let inTime = 0;
    const others = (async () => {
      for (let round = 0; round < 20; round += 1) {
        await find('iqn.a');
        inTime += 1;
      }
    })();
    await Promise.all([hangs, also]);
    await others;
    assert.equal(inTime, 20);
    assert.deepEqual(await find('iqn.b'), { initiators: [INITIATOR], sessions: 0 });
  });

  it('begin nothing for a volume whose earlier call still hangs, until it is over', async () => {
    let release = (): void => {};
    unkillable = new Promise((resolve) => (release = resolve));
    await assert.rejects(find('iqn.stuck1'), /has not answered/);
    const before = started.length;
    for (let round = 0; round < 5; round += 1)
      await assert.rejects(find('iqn.stuck1'), /an earlier call still hangs in the kernel/);
    await find('iqn.a');
    assert.ok(started.length <= before + 1);
    unkillable = null;
    release();
    await assertSoon(async () => {
      await assert.rejects(find('iqn.stuck1'), /has not answered/);
    });
  });

  it('are replaced when they die', async () => {
    await find('iqn.a');
    const hanging = find('iqn.stuck1');
    await sleep(100);
    await started[0]?.stop();
    await assert.rejects(hanging, /the process that writes configfs is gone: /);
    assert.equal((await find('iqn.a'))?.initiators.length, 1);
    assert.equal(started.length, 2);
  });

  it('give the kernel’s word for what it refused', async () => {
    await rm(join(root, 'core'), { recursive: true });
    await assert.rejects(helpers.run('x', { do: 'absent', iqn: 'iqn.a', name: 'volume-x', number: null }), {
      message: /^the kernel refused rmdir iscsi\/iqn\.a\/tpgt_1\/acls\/\S+: ENOTEMPTY$/,
    });
  });

  it('answer late work that the kernel lets go in the end', async () => {
    const late = find('iqn.stuck1');
    await sleep(200);
    await using pipe = await open(
      join(root, 'iscsi/iqn.stuck1/tpgt_1/acls', INITIATOR, 'info'),
      constants.O_WRONLY,
    );
    await pipe.write('InitiatorName: x');
    await pipe.close();
    assert.deepEqual(await late, { initiators: [INITIATOR], sessions: 1 });
  });
});

async function assertSoon(check: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await check();
    } catch (error) {
      if (tries === 40) throw error;
      await sleep(50);
    }
  }
}
