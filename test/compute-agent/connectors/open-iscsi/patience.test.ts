import assert from 'node:assert/strict';
import { patience } from '#compute-agent/connectors/open-iscsi/patience.ts';

describe('patience', () => {
  it('gives up in time, and gives the place away only when the work has ended', async () => {
    const calls = patience(1);
    const hung = Promise.withResolvers<string>();
    await assert.rejects(
      calls.run('the scan', 20, () => hung.promise),
      /^Error: the scan took longer than 20 ms$/,
    );
    let ran = false;
    const second = async () => (ran = true);
    await assert.rejects(calls.run('the flush', 20, second), /the flush took longer/);
    assert.equal(ran, false);
    const third = calls.run('the flush', 5_000, async () => 'done');
    hung.reject(new Error('late'));
    assert.equal(await third, 'done');
    assert.equal(await calls.run('again', 5_000, async () => 'done'), 'done');
  });

  it('tells what the work threw', async () => {
    const calls = patience(1);
    const work = async () => {
      throw new Error('no space');
    };
    await assert.rejects(calls.run('the write', 5_000, work), /no space/);
    await assert.rejects(calls.run('the write', 5_000, work), /no space/);
  });
});
