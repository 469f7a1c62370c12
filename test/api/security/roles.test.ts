/** What each role may call, for every route of the table. */
import assert from 'node:assert/strict';
import { PROJECT, startApi, type TestApi, type Who } from '#test/api/support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { attempt, dump, pathOf } from './support/attack.ts';
import { bodyOf } from './support/bodies.ts';
import { type Kit, makeKit } from './support/kit.ts';
import { roleOf, rootOf, TARGETS, type Target } from './support/surface.ts';

/** Who lacks which role. The reader's and the stranger's own things are among what is tried. */
const LACKING: Readonly<Record<'admin' | 'member', readonly Who[]>> = {
  admin: ['member', 'reader', 'stranger'],
  member: ['reader'],
};

describe('roles', () => {
  let api: TestApi;
  let own: Kit;
  let theirs: Kit;
  before(async function () {
    this.timeout(20_000);
    api = await startApi();
    own = await makeKit(api, 'member');
    theirs = await makeKit(api, 'stranger');
  });
  after(() => api[Symbol.asyncDispose]());

  const ask = async (target: Target, as: Who) => {
    const kit = as === 'stranger' ? theirs : own;
    const { status } = await attempt(api, target, {
      as,
      project: kit.project,
      path: pathOf(target, kit),
      body: bodyOf(target, kit),
    });
    return status;
  };

  for (const target of TARGETS) {
    const role = roleOf(target);
    if (role === 'reader') continue;
    it(`${target.key} is for ${role}s`, async () => {
      const before = await dump(api);
      for (const as of LACKING[role]) assert.equal(await ask(target, as), 403, as);
      assert.deepEqual(await dump(api), before);
    });
  }

  it('nothing is let in without a token, or with a wrong one', async () => {
    const before = await dump(api);
    for (const target of TARGETS) {
      for (const token of [undefined, 'token-of-nobody', '', `${PROJECT}:admin`]) {
        const root = rootOf(target.service, PROJECT);
        const response = await heldFetch(`${api.url}${root}${pathOf(target, own)}`, {
          method: target.route.method,
          headers: {
            ...(token !== undefined && { 'X-Auth-Token': token }),
            'Content-Type': 'application/json',
          },
          body: target.route.body === undefined ? null : JSON.stringify(bodyOf(target, own)),
        });
        await response.text();
        assert.equal(response.status, 401, target.key);
      }
    }
    assert.deepEqual(await dump(api), before);
  });

  it('a reader’s GET changes nothing', async () => {
    const before = await dump(api);
    for (const target of TARGETS.filter((one) => roleOf(one) === 'reader')) await ask(target, 'reader');
    assert.deepEqual(await dump(api), before);
  });
});
