import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { ServerTurns } from '#compute-agent/recovery/server-turns.ts';

describe('turns of a server', () => {
  it('tasks overlap, the recovery is alone', async () => {
    const turns = new ServerTurns();
    const story: string[] = [];
    const gate = Promise.withResolvers<void>();
    const act = (name: string, until?: Promise<void>) => async () => {
      story.push(`${name} begins`);
      await until;
      story.push(`${name} ends`);
    };
    const running = [
      turns.task('A', act('task 1', gate.promise)),
      turns.task('a', act('task 2', gate.promise)),
      turns.alone('A', act('recovery')),
      turns.alone('B', act('other')),
    ];
    await turn();
    assert.deepEqual(story, ['task 1 begins', 'task 2 begins', 'other begins', 'other ends']);
    gate.resolve();
    await Promise.all(running);
    assert.deepEqual(story.slice(4), ['task 1 ends', 'task 2 ends', 'recovery begins', 'recovery ends']);

    story.length = 0;
    const second = Promise.withResolvers<void>();
    const after = [turns.alone('A', act('recovery', second.promise)), turns.task('A', act('task'))];
    await turn();
    second.resolve();
    await Promise.all(after);
    assert.deepEqual(story, ['recovery begins', 'recovery ends', 'task begins', 'task ends']);
  });

  it('a failure ends the turn', async () => {
    const turns = new ServerTurns();
    const fail = async () => {
      throw new Error('no');
    };
    await assert.rejects(turns.alone('A', fail), /no/);
    await assert.rejects(turns.task('A', fail), /no/);
    assert.equal(await turns.alone('A', async () => 'done'), 'done');
  });
});
