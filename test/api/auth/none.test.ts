import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { noAuthentication } from '#api/auth/none.ts';

describe('no authentication', () => {
  const ask = (token: string | undefined, path: string | undefined) => {
    const headers = token === undefined ? {} : { 'x-auth-token': token };
    return noAuthentication.authenticate({ headers } as IncomingMessage, path);
  };

  it('makes everybody admin of the project that the path or else the token names', async () => {
    for (const [token, path, project, user, all] of [
      [undefined, 'demo', 'demo', 'anonymous', false],
      ['ada:other', 'demo', 'demo', 'ada', false],
      ['ada:other', undefined, 'other', 'ada', true],
      ['nonsense', undefined, '0'.repeat(32), 'anonymous', true],
    ] as const) {
      const caller = await ask(token, path);
      assert.deepEqual([caller.projectId, caller.userId, caller.seesAllProjects], [project, user, all]);
      assert.ok(caller.isAdmin);
    }
  });
});
