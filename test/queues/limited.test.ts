import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { limited } from '#queues/limited.ts';

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
