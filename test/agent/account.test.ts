import assert from 'node:assert/strict';
import { systemRunner } from '#agent/run.ts';
import { splitAccount, taskResult } from '#schema/accounts.ts';
import { TaskError } from '#schema/tasks.ts';
import { startQueuedAgent } from './support/queued-agent.ts';

describe('what an agent tells of a task', () => {
  it('goes with its answer, or behind its error, and tells of all attempts', async function () {
    this.timeout(30_000);
    const volumeId = '00000000-0000-4000-8000-000000000001';
    const said: string[] = [];
    let attempts = 0;
    const agent = await startQueuedAgent(
      {
        async 'volume.grow'() {
          attempts += 1;
          await systemRunner.run('sh', ['-c', `exit ${attempts < 3 ? 5 : 0}`]);
          return { sizeBytes: 1 };
        },
        async 'volume.absent'() {
          await systemRunner.run('true', []);
          throw new TaskError('refused', 'it is in use');
        },
      },
      (line) => said.push(line),
    );
    try {
      const { queue, events } = agent;
      const place = { volumeId, backend: 'b' };
      const envelope = (seq: number, input: object) => ({ volumeId, seq, requestId: 'req-7', input });
      const options = { attempts: 4, backoff: { type: 'exponential', delay: 50 } };
      const grown = await queue.add('volume.grow', envelope(1, { ...place, sizeGib: 1 }), options);
      const { output, account } = taskResult.parse(await grown.waitUntilFinished(events));
      assert.deepEqual(output, { sizeBytes: 1 });
      assert.deepEqual(
        account.commands.map(({ command, exit_code }) => [command, exit_code]),
        [
          [`sh -c 'exit 5'`, 5],
          [`sh -c 'exit 5'`, 5],
          [`sh -c 'exit 0'`, 0],
        ],
      );
      const refused = await queue.add('volume.absent', envelope(2, place), { ...options, jobId: 'op.1.2.1' });
      await assert.rejects(refused.waitUntilFinished(events), (error: Error) => {
        const { failure, account } = splitAccount(error.message);
        assert.equal(failure, 'refused: it is in use');
        assert.deepEqual(
          account?.commands.map(({ command }) => command),
          ['true'],
        );
        return true;
      });
    } finally {
      await agent[Symbol.asyncDispose]();
    }
    assert.ok(
      said.includes(
        `task=volume.absent job=op.1.2.1 volume=${volumeId} request=req-7 failed: refused: it is in use`,
      ),
      said.join('\n'),
    );
  });
});
