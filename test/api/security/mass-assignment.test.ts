/** Fields that are not the client's to set, put into every object of every body. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { OTHER_PROJECT, PROJECT, startApi, type TestApi, type Who } from '#test/api/support/api.ts';
import { attempt, dump, pathOf } from './support/attack.ts';
import { bodiesOf } from './support/bodies.ts';
import { type Kit, makeKit } from './support/kit.ts';
import { objectPlaces, type Place, roleOf, TARGETS, type Target, withValue } from './support/surface.ts';

/** A value that none of them has by itself, so that it can be found again wherever it is stored. */
const MARK = 'planted-7f3a';
const MARKED_NUMBER = 7_340_033;
const MARKED_ID = randomUUID();

/** Names of columns, of Cinder's, Nova's and Glance's fields that only the service sets, and of prototypes. */
const PLANTED: Readonly<Record<string, unknown>> = {
  id: MARKED_ID,
  project_id: OTHER_PROJECT,
  projectId: OTHER_PROJECT,
  tenant_id: OTHER_PROJECT,
  user_id: MARK,
  owner: OTHER_PROJECT,
  status: 'error_deleting',
  state: MARK,
  attach_status: 'attached',
  migration_status: MARK,
  replication_status: MARK,
  host: MARK,
  pool: `${MARK}@lvm#lvm`,
  'os-vol-host-attr:host': `${MARK}@lvm#lvm`,
  'os-vol-tenant-attr:tenant_id': OTHER_PROJECT,
  'OS-EXT-STS:vm_state': MARK,
  'OS-EXT-SRV-ATTR:host': MARK,
  provider_id: MARK,
  provider_location: MARK,
  bootable: true,
  encrypted: true,
  managed: 1,
  number: MARKED_NUMBER,
  seq: MARKED_NUMBER,
  seq_base: MARKED_NUMBER,
  epoch: MARKED_NUMBER,
  operation_id: MARKED_ID,
  root_volume_id: MARKED_ID,
  task_state: MARK,
  fault: MARK,
  mountpoint: `/dev/${MARK}`,
  connection: { iqn: MARK },
  connection_info: { iqn: MARK },
  initiator: `iqn.2010-10.org.${MARK}:x`,
  chap_username: MARK,
  chap_secret: MARK,
  size_gib: MARKED_NUMBER,
  reserved: MARKED_NUMBER,
  checksum: MARK,
  os_hash_value: MARK,
  locations: [{ url: `file:///${MARK}` }],
  direct_url: `file:///${MARK}`,
  created_at: '1999-12-31T23:59:59',
  updated_at: '1999-12-31T23:59:59',
  isAdmin: true,
  is_admin: true,
  roles: ['admin', MARK],
  seesAllProjects: true,
  constructor: { prototype: { isAdmin: true } },
};

/** Columns whose keys are the user's own, and what a connector says of itself. */
const FREE_COLUMNS = new Set([
  'metadata',
  'image_metadata',
  'properties',
  'extra_specs',
  'group_specs',
  'specs',
  'connector',
  'capabilities',
]);

/**
 * Where a planted field is the body's own, so that it may be stored where it belongs: [route, field].
 * What is not listed here may be stored nowhere but among a user's own keys.
 */
const LEGITIMATE: Readonly<Record<string, readonly string[]>> = {
  'image POST /images': ['id'],
  'volume PUT /attachments/{id}': ['host', 'mountpoint', 'initiator'],
  'volume POST /attachments': ['host', 'mountpoint', 'initiator'],
  'volume POST /snapshots/{id}/action os-reset_status': ['status'],
  'volume POST /volumes/{id}/action os-reset_status': ['status'],
  'volume PUT /os-services/enable': ['host'],
  'volume PUT /os-services/disable': ['host'],
  'volume PUT /os-services/disable-log-reason': ['host'],
  'volume POST /volumes/{id}/action os-set_bootable': ['bootable'],
  'compute POST /flavors': ['id'],
  // Made of a bootable snapshot, the volume is bootable anyway.
  'compute POST /servers': ['bootable'],
};

describe('mass assignment', () => {
  let api: TestApi;
  let own: Kit;
  beforeEach(async function () {
    this.timeout(60_000);
    api ??= await startApi();
    own = await makeKit(api, 'member');
  });
  after(() => api[Symbol.asyncDispose]());

  for (const target of TARGETS.filter(
    ({ route, key }) => route.body !== undefined && !key.endsWith('/file'),
  )) {
    it(target.key, async function () {
      this.timeout(60_000);
      const as: Who = roleOf(target) === 'admin' ? 'admin' : 'member';
      // A patch names fields in its paths.
      if (target.route.method === 'PATCH') {
        await plantAll(target, as, Object.entries(PLANTED), (name, value) => [
          { op: 'add', path: `/${name}`, value },
        ]);
      }
      for (const [index, good] of bodiesOf(target, own).entries()) {
        for (const place of objectPlaces(good)) {
          const planted = Object.entries(PLANTED).filter(([name]) => !has(good, place, name));
          await plantAll(target, as, planted, (name, value) =>
            withValue(bodiesOf(target, own)[index], [...place, name], value),
          );
        }
      }
    });
  }

  /** Reading every table takes longer than asking: it is done after what was let in, and once for all that was refused. */
  async function plantAll(
    target: Target,
    as: Who,
    planted: readonly (readonly [string, unknown])[],
    bodyWith: (name: string, value: unknown) => unknown,
  ): Promise<void> {
    const send = (name: string, value: unknown) =>
      attempt(api, target, {
        as,
        project: PROJECT,
        path: pathOf(target, own),
        body: bodyWith(name, value),
      });
    let before = await dump(api);
    let letIn = 0;
    const refusedOf = async (some: readonly (readonly [string, unknown])[]) => {
      const refused: (readonly [string, unknown])[] = [];
      for (const [name, value] of some) {
        const told = await send(name, value);
        if (told.status >= 400) {
          refused.push([name, value]);
          continue;
        }
        letIn += 1;
        const after = await dump(api);
        if (LEGITIMATE[target.key]?.includes(name) !== true) checkAll(before, after, name);
        before = after;
      }
      return refused;
    };
    const refused = await refusedOf(planted);
    if (refused.length === 0) return;
    // Where others were let in between, the refused ones again, by themselves.
    const again = letIn === 0 ? refused : await refusedOf(refused);
    const names = again.map(([name]) => name).join(', ');
    if (again.length === refused.length)
      assert.deepEqual(await dump(api), before, `refused, but stored: ${names}`);
  }

  function checkAll(before: Dump, after: Dump, name: string): void {
    for (const [table, rows] of Object.entries(after)) {
      const known = new Set(before[table]);
      for (const row of rows.filter((one) => !known.has(one))) check(table, row, name, before[table] ?? []);
    }
  }
});

type Dump = Awaited<ReturnType<typeof dump>>;

/** A row that is new or has changed holds nothing of what was planted that it did not hold before. */
function check(table: string, row: string, name: string, former: readonly string[]): void {
  const columns = JSON.parse(row) as Record<string, unknown>;
  const old = former
    .map((one) => JSON.parse(one) as Record<string, unknown>)
    .find(({ id }) => id === columns['id']);
  for (const [column, value] of Object.entries(columns)) {
    if (FREE_COLUMNS.has(column) || old?.[column] === value) continue;
    const text = JSON.stringify(value);
    const planted = [MARK, OTHER_PROJECT, MARKED_ID, String(MARKED_NUMBER), '1999-12-31', 'error_deleting'];
    const found = planted.find((mark) => text.includes(mark));
    assert.equal(found, undefined, `${name} got into ${table}.${column}: ${text}`);
    if (column === name && typeof PLANTED[name] === 'boolean') {
      assert.notEqual(value, 1, `${name} got into ${table}.${column}`);
    }
  }
}

function has(body: unknown, place: Place, name: string): boolean {
  let at = body;
  for (const key of place) at = (at as Record<string | number, unknown>)[key];
  return Object.hasOwn(at as object, name);
}
