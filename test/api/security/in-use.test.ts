/**
 * A volume that a running guest uses, and its attachment, on every route of block storage: what a member may ask for takes nothing
 * from the guest. cve-2023-2088.test.ts tries the same with a real target.
 */
import assert from 'node:assert/strict';
import { asId, type VolumeId } from '#schema/ids.ts';
import { PROJECT, startApi, type TestApi } from '#test/api/support/api.ts';
import { attempt, pathOf } from './support/attack.ts';
import { bodiesOf } from './support/bodies.ts';
import { type Kit, makeKit } from './support/kit.ts';
import { roleOf, TARGETS } from './support/surface.ts';

/** What may be done beside a guest: none of it touches who is let in, or moves, replaces or removes data. */
const BESIDE_A_GUEST: ReadonlySet<string> = new Set([
  'volume.extend',
  'volume.upload',
  'snapshot.create',
  'backup.create',
]);

describe('a volume in use', () => {
  let api: TestApi;
  let own: Kit;
  let volume: VolumeId;
  beforeEach(async function () {
    this.timeout(20_000);
    api ??= await startApi();
    const kit = await makeKit(api, 'member');
    volume = asId<VolumeId>(kit.plugged);
    const { id } = await attachments().executeTakeFirstOrThrow();
    own = { ...kit, volume: kit.plugged, attachment: id };
  });
  after(() => api[Symbol.asyncDispose]());

  const attachments = () => api.db.selectFrom('attachments').selectAll().where('volume_id', '=', volume);
  const operations = () =>
    api.db.selectFrom('operations').select(['id', 'kind']).where('volume_id', '=', volume);

  it('is not what the kit has besides, which may go', async () => {
    const { volume: free } = await makeKit(api, 'member');
    const [target] = TARGETS.filter(({ key }) => key === 'volume DELETE /volumes/{id}');
    assert.ok(target !== undefined);
    await attempt(api, target, { as: 'member', project: PROJECT, path: `/volumes/${free}?cascade=true` });
    volume = asId<VolumeId>(free);
    assert.ok((await operations().execute()).some(({ kind }) => kind === 'volume.delete'));
  });

  for (const target of TARGETS.filter(
    (one) => one.service === 'volume' && one.route.method !== 'GET' && roleOf(one) !== 'admin',
  )) {
    it(`stays its guest’s: ${target.key}`, async () => {
      const [before, begun] = [await attachments().execute(), await operations().execute()];
      const path = pathOf(target, own);
      for (const body of bodiesOf(target, own)) {
        for (const query of target.route.method === 'DELETE' ? ['', '?force=true', '?cascade=true'] : ['']) {
          await attempt(api, target, { as: 'member', project: PROJECT, path: path + query, body });
        }
      }
      assert.deepEqual(await attachments().execute(), before);
      const known = new Set<string>(begun.map(({ id }) => id));
      const kinds = (await operations().execute()).flatMap(({ id, kind }) => (known.has(id) ? [] : [kind]));
      assert.deepEqual(
        kinds.filter((kind) => !BESIDE_A_GUEST.has(kind)),
        [],
      );
    });
  }
});
