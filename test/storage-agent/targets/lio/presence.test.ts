import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Presence, watchPresence } from '#storage-agent/targets/lio/presence.ts';

describe('losing LIO’s exports', () => {
  let folder: string;
  let presence: Presence;
  let broken: boolean;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-lio-'));
    broken = false;
    const targets = async () => {
      if (broken) throw new Error('the kernel has not answered');
      return await readdir(folder);
    };
    presence = watchPresence({ targets, folder });
  });
  afterEach(async () => {
    presence.close();
    await rm(folder, { recursive: true });
  });
  const make = async (name: string): Promise<void> => {
    await mkdir(join(folder, name));
    presence.made(name);
  };

  it('is noticed at once, and told apart from what was removed here', async () => {
    for (const name of ['iqn.a', 'iqn.b', 'iqn.c']) await make(name);
    const before = await presence.incarnation();
    const calls = { count: 0 };
    presence.onRestart(() => (calls.count += 1));
    presence.leaving('iqn.a');
    await rmdir(join(folder, 'iqn.a'));
    await sleep(400);
    assert.equal(calls.count, 0);
    assert.equal(await presence.incarnation(), before);
    for (const name of ['iqn.b', 'iqn.c']) await rmdir(join(folder, name));
    await sleep(600);
    assert.equal(calls.count, 1);
    const after = await presence.incarnation();
    assert.notEqual(after, before);
    assert.equal(await presence.incarnation(), after);
  });

  it('is noticed at the next report where the folder cannot be watched', async () => {
    const elsewhere = watchPresence({ targets: async () => [], folder: join(folder, 'none') });
    elsewhere.onRestart(() => assert.fail('called'));
    const before = await elsewhere.incarnation();
    elsewhere.made('iqn.a');
    assert.notEqual(await elsewhere.incarnation(), before);
    elsewhere.close();
  });

  it('is not taken for granted when the kernel does not answer', async () => {
    await make('iqn.a');
    const before = await presence.incarnation();
    broken = true;
    assert.equal(await presence.incarnation(), before);
    broken = false;
    assert.equal(await presence.incarnation(), before);
  });
});
