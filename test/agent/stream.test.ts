import assert from 'node:assert/strict';
import { streamed } from '#agent/stream.ts';

/** Also true of one that has been killed and not yet waited for. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a program whose output is streamed', () => {
  it('has ended when it is told that it was stopped, also where it had nothing more to say', async () => {
    const stop = new AbortController();
    let text = '';
    const run = streamed(
      'sh',
      ['-c', 'echo $$; exec >&- 2>&-; exec sleep 100'],
      { env: {}, signal: stop.signal },
      async (data) => {
        for await (const chunk of data) text += chunk.toString();
        stop.abort();
      },
    );
    await assert.rejects(run, { name: 'AbortError' });
    assert.equal(isThere(Number(text)), false);
  });

  it('tells of one that cannot be started', async () => {
    const none = new AbortController().signal;
    const env = { PATH: '/nowhere' };
    await assert.rejects(
      streamed('sh', [], { env, signal: none }, async (data) => {
        for await (const _ of data);
      }),
      { code: 'ENOENT' },
    );
  });
});
