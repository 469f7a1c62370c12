import assert from 'node:assert/strict';
import { startApi, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { blockyard, type Outcome } from './blockyard.ts';

describe('blockyard drift', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const drift = (...args: string[]): Promise<Outcome> =>
    blockyard(['drift', ...args], { BLOCKYARD_URL: api.url, BLOCKYARD_TOKEN: TOKENS.admin });

  it('says when there is none, and how many agents were asked', async () => {
    for (const args of [[], ['--host', 'mysql']])
      assert.deepEqual(await drift(...args), {
        code: 0,
        stdout: 'no differences, no agents answered\n',
        stderr: '',
      });
  });

  it('takes a host that nobody knows for a slip', async () => {
    const { code, stderr } = await drift('--host', 'nope');
    assert.deepEqual([code, stderr], [1, 'blockyard drift: there is no agent of a host nope\n']);
  });
});
