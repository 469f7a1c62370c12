import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { shared } from '#storage-agent/targets/tgt/share.ts';

describe('shared reads', () => {
  it('give each caller a run that began after its call', async () => {
    let world = 0;
    let runs = 0;
    const read = shared(async () => {
      runs += 1;
      const seen = world;
      await sleep(5);
      return seen;
    });
    const calls: Promise<void>[] = [];
    for (let call = 0; call < 50; call += 1) {
      world += 1;
      const now = world;
      calls.push(read().then((seen) => assert.ok(seen >= now)));
      if (call % 10 === 9) await sleep(1);
    }
    await Promise.all(calls);
    assert.ok(runs < 12, `${runs} runs`);
  });

  it('go on after a failure', async () => {
    let fails = true;
    const read = shared(async () => {
      await sleep(1);
      if (fails) throw new Error('away');
      return 1;
    });
    const both = await Promise.allSettled([read(), read()]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    fails = false;
    assert.equal(await read(), 1);
  });
});
