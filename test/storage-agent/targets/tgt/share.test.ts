import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { limited, shared } from '#storage-agent/targets/tgt/share.ts';

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

describe('limited runs', () => {
  it('are never more than the limit, and all get done', async () => {
    const run = limited(3);
    let at = 0;
    let most = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, number) =>
        run(async () => {
          at += 1;
          most = Math.max(most, at);
          await sleep(1);
          at -= 1;
          if (number % 4 === 0) throw new Error('no');
          return number;
        }),
      ),
    );
    assert.equal(most, 3);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 15);
  });
});
