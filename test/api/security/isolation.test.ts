/** One project guesses another's ids, on every route of the table; a route that is new here is covered or fails. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { PROJECT, startApi, type TestApi } from '#test/api/support/api.ts';
import { type Attempt, attempt, dump, idsIn, pathOf, pathWith, type Told } from './support/attack.ts';
import { bodiesOf, bodyOf, staleBodies } from './support/bodies.ts';
import { type Kit, makeKit, NOUNS, type Noun, nounsOfField } from './support/kit.ts';
import { idPlaces, roleOf, TARGETS, type Target, unknownRoots, withValue } from './support/surface.ts';

const NO_PROJECT = randomUUID().replaceAll('-', '');
/** Nobody's: a good id, but of nothing. */
const nobodys: Kit = {
  ...(Object.fromEntries(NOUNS.map((noun) => [noun, randomUUID()])) as Kit),
  project: NO_PROJECT,
  member: NO_PROJECT,
};

/** What no tenant owns: operators' own, on routes that are admins' anyway or show what is public. */
const OF_OPERATORS = new Set(['types', 'flavors', 'qos-specs', 'group_types', 'default-types']);

/** The type of groups that a kit has is operators' own too. */
const OF_PRIVATE_TYPES: ReadonlySet<string> = new Set(['volume POST /groups']);

/** What nobody may (it is there to say so), or of what a kit has none. */
const NOBODYS: ReadonlySet<string> = new Set([
  'identity GET /projects',
  'compute GET /servers/{server_id}/os-instance-actions/{request_id}',
]);

/** What is meant for another project, which has to know a key: its id alone tells that it is there, and no more. */
const OFFERED: ReadonlySet<string> = new Set([
  'volume POST /os-volume-transfer/{id}/accept',
  'volume POST /volume-transfers/{id}/accept',
]);

/**
 * Fields that only repeat another one's id, which is what is looked up. A volume goes back to its own newest snapshot alone,
 * and one that lies nowhere, as a kit's does, takes no image.
 */
const COMES_TOO_LATE: ReadonlySet<string> = new Set([
  'compute POST /servers server.imageRef',
  'volume POST /volumes/{id}/action revert revert.snapshot_id',
  'volume POST /volumes/{id}/action os-reimage os-reimage.image_id',
]);

/** Where Cinder answers 400 to what there is not: an image by this id or by this name, a volume for a group; and Nova to any but what the path names. */
const SAID_TO_BE_BAD: ReadonlySet<string> = new Set([
  'volume POST /volumes volume.image_id',
  'volume POST /volumes volume.imageRef',
  'volume PUT /groups/{id} group.add_volumes',
  'volume PUT /groups/{id} group.remove_volumes',
  'volume PUT /consistencygroups/{id} consistencygroup.add_volumes',
  'volume PUT /consistencygroups/{id} consistencygroup.remove_volumes',
  'volume PUT /consistencygroups/{id}/update consistencygroup.add_volumes',
  'volume PUT /consistencygroups/{id}/update consistencygroup.remove_volumes',
  'compute PUT /servers/{server_id}/os-volume_attachments/{volume_id} volumeAttachment.volumeId',
  'compute PUT /servers/{server_id}/os-volume_attachments/{volume_id} volumeAttachment.serverId',
]);

describe('another project’s ids', () => {
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

  it('every route has a body to try and no body is left of a route that has gone', () => {
    for (const target of TARGETS) {
      bodyOf(target, own);
      idsIn(target);
    }
    assert.deepEqual(staleBodies(TARGETS), []);
    assert.deepEqual(unknownRoots(), []);
  });

  for (const target of TARGETS.filter((one) => idsIn(one) > 0 && !OFFERED.has(one.key))) {
    it(`in the path of ${target.key}`, async () => {
      const before = await dump(api);
      for (const as of ['member', 'reader'] as const) {
        // Each of the ids may be theirs, or all of them.
        for (let which = 1; which < 2 ** idsIn(target); which++) {
          const choose = (other: Kit) => (id: number) => (which & (2 ** id) ? other : own);
          const told = await tryIt(target, { as, path: pathWith(target, choose(theirs)) });
          assert.ok([403, 404].includes(told.status), `${as}: ${told.status} ${told.text}`);
          const nothing = await tryIt(target, { as, path: pathWith(target, choose(nobodys)) });
          assert.deepEqual(
            without(told, theirs),
            without(nothing, nobodys),
            'it tells that there is such an id',
          );
        }
      }
      assert.deepEqual(await dump(api), before);
    });
  }

  for (const target of TARGETS) {
    for (const place of idPlaces(target)) {
      it(`as ${place.join('.')} in the body of ${target.key}`, async () => {
        const before = await dump(api);
        const path = pathOf(target, own);
        const field = String(place.findLast((part) => typeof part === 'string'));
        for (const noun of NOUNS.filter((one) => mayStand(target, field, one))) {
          const answers: Told[] = [];
          for (const body of bodiesOf(target, own)) {
            if (isMoot(field, body)) continue;
            const told = await tryIt(target, {
              as: 'member',
              path,
              body: withValue(body, place, theirs[noun]),
            });
            assert.ok(told.status >= 400, `${noun}: ${told.status} ${told.text}`);
            answers.push(told);
            if (FREE.has(field)) continue;
            const unknown = withValue(body, place, nobodys[noun]);
            const nothing = await tryIt(target, { as: 'member', path, body: unknown });
            assert.deepEqual(
              without(told, theirs),
              without(nothing, nobodys),
              'it tells that there is such an id',
            );
          }
          const fits =
            nounsOfField(field).includes(noun) && !COMES_TOO_LATE.has(`${target.key} ${place.join('.')}`);
          const said = SAID_TO_BE_BAD.has(`${target.key} ${place.join('.')}`) ? [400] : [403, 404];
          const refused = answers.filter(({ status }) => said.includes(status));
          // One of several shapes is the one in which this noun can stand there.
          if (fits) assert.ok(refused.length > 0, `${noun}: ${JSON.stringify(answers)}`);
        }
        assert.deepEqual(await dump(api), before);
      });
    }
  }

  for (const target of TARGETS.filter((one) => one.route.method === 'GET' && roleOf(one) !== 'admin')) {
    it(`are not in what ${target.key} shows, whatever the query says`, async () => {
      const queries = [
        '',
        'all_tenants=1',
        'all_projects=1',
        `project_id=${theirs.project}`,
        `tenant_id=${theirs.project}`,
        `all_tenants=1&project_id=${theirs.project}`,
        `owner=${theirs.project}`,
        'visibility=all',
        'member_status=all',
        'is_public=None',
        `marker=${theirs.volume}`,
        `volume_id=${theirs.volume}`,
        `host=comp1`,
      ];
      for (const query of queries) {
        const { text } = await tryIt(target, { as: 'member', path: `${pathOf(target, own)}?${query}` });
        // What was asked for may be repeated, as in a link to the next page.
        const shown = query === '' ? text : text.replaceAll(query.split('=').at(-1) ?? '', '');
        for (const noun of NOUNS)
          assert.ok(!shown.includes(theirs[noun]), `${query} shows their ${noun}: ${text}`);
      }
    });
  }

  it('are let in everywhere when it is their own who name them', async function () {
    this.timeout(120_000);
    for (const target of TARGETS.filter((one) => roleOf(one) !== 'admin')) {
      if (usesOperators(target) || NOBODYS.has(target.key)) continue;
      const kit = await makeKit(api, 'stranger');
      const told = await attempt(api, target, {
        as: 'stranger',
        project: kit.project,
        path: pathOf(target, kit),
        body: bodyOf(target, kit),
      });
      assert.ok(![401, 403, 404].includes(told.status), `${target.key}: ${told.status} ${told.text}`);
    }
  });

  it('another project in the path is refused on every route', async () => {
    const before = await dump(api);
    for (const target of TARGETS.filter(({ service }) => service === 'volume')) {
      const told = await attempt(api, target, {
        as: 'member',
        project: theirs.project,
        path: pathOf(target, theirs),
        body: bodyOf(target, theirs),
      });
      // Cinder's own answer, which is the same for a project that does not exist.
      assert.deepEqual([told.status, /Malformed request url/.test(told.text)], [400, true], target.key);
    }
    assert.deepEqual(await dump(api), before);
  });

  function tryIt(target: Target, { body, ...rest }: Omit<Attempt, 'project'>): Promise<Told> {
    return attempt(api, target, { project: PROJECT, body: body ?? bodyOf(target, own), ...rest });
  }
});

function usesOperators({ key, parts }: Target): boolean {
  return OF_OPERATORS.has(parts[0] ?? '') || OF_PRIVATE_TYPES.has(key);
}

/**
 * Fields in which an id that nobody has is as good as any: a server may be that of a cloud that only its volumes are
 * from, and Glance lets clients choose a new image's id, so that one that is taken cannot be hidden.
 */
const FREE = new Set(['instance_uuid', 'id']);

function mayStand({ key }: Target, field: string, noun: Noun): boolean {
  if (field === 'instance_uuid') return noun === 'server';
  // Whom an image is shared with is another project by nature.
  if (field === 'member') return false;
  return key !== 'image POST /images' || field !== 'id' || noun === 'image';
}

/** A server that boots from a volume there is has no use for a type: the field is not read. */
function isMoot(field: string, body: unknown): boolean {
  return field === 'volume_type' && JSON.stringify(body).includes('"source_type":"volume"');
}

/** The answer without what differs from one asking to the next. */
function without({ status, text }: Told, kit: Kit): Told {
  let same = text.replaceAll(/req-[0-9a-f-]{36}/g, 'REQUEST');
  const project = kit.project.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  for (const id of [...NOUNS.map((noun) => kit[noun]), project]) same = same.replaceAll(id, 'ID');
  return { status, text: same };
}
