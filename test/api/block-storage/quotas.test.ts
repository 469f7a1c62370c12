import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { asId, type VolumeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('quotas', () => {
  let api: TestApi;
  let hosts: Hosts;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api);
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await api.db.deleteFrom('quota_limits').execute();
  });

  const create = (volume: Record<string, unknown>, as?: 'stranger'): Promise<Answer> =>
    api.call('POST', '/volumes', {
      body: { volume: { size: 1, ...volume } },
      ...(as !== undefined && { as }),
    });
  const set = async (quotas: Record<string, unknown>, project = PROJECT): Promise<Answer> =>
    api.call('PUT', `/os-quota-sets/${project}`, { as: 'admin', body: { quota_set: quotas } });
  const usage = async (project = PROJECT) =>
    (await api.call('GET', `/os-quota-sets/${project}?usage=True`, { as: 'admin' })).body.quota_set;
  const used = async () => {
    const { volumes, gigabytes, snapshots } = await usage();
    return { volumes: volumes.in_use, gigabytes: gigabytes.in_use, snapshots: snapshots.in_use };
  };
  it('names what is no flag and what is too long', async () => {
    const junk = await api.call('GET', `/os-quota-sets/${PROJECT}?usage=perhaps`, { as: 'admin' });
    assert.equal(junk.body.badRequest.message, "Value 'perhaps' for 'usage' is not a boolean.");
    assert.equal(
      (await set({ volumes: 5 }, 'x'.repeat(256))).body.badRequest.message,
      'Invalid input received: quota_set_name has 256 characters, more than 255.',
    );
  });

  const refused = ({ status, headers, body }: Answer, message: string): void => {
    assert.equal(status, 413, JSON.stringify(body));
    assert.equal(headers.get('Retry-After'), '0');
    assert.equal(body.overLimit.message, message);
    assert.equal(body.overLimit.retryAfter, '0');
  };
  const type = async (name: string): Promise<string> =>
    (await api.call('POST', '/types', { as: 'admin', body: { volume_type: { name } } })).body.volume_type.id;

  it('limit nothing until somebody sets one', async () => {
    const { status, body } = await api.call('GET', `/os-quota-sets/${PROJECT}`);
    assert.equal(status, 200);
    assert.equal(body.quota_set.id, PROJECT);
    for (const name of ['volumes', 'gigabytes', 'snapshots', 'backups', 'backup_gigabytes', 'groups'])
      assert.equal(body.quota_set[name], -1);
    assert.equal((await create({ size: 3 })).status, 202);
    assert.equal((await api.db.selectFrom('quota_locks').selectAll().execute()).length, 0);
  });

  it('refuse a volume more than there may be, and one that is too large, in Cinder’s words', async () => {
    const before = await used();
    await set({ volumes: before.volumes + 1, gigabytes: before.gigabytes + 3 });
    refused(
      await create({ size: 4 }),
      `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 4G, quota is ${before.gigabytes + 3}G and ${before.gigabytes}G has been consumed.`,
    );
    assert.equal((await create({ size: 1 })).status, 202);
    refused(
      await create({ size: 1 }),
      `VolumeLimitExceeded: Maximum number of volumes allowed (${before.volumes + 1}) exceeded for quota 'volumes'.`,
    );
    assert.deepEqual(await used(), {
      ...before,
      volumes: before.volumes + 1,
      gigabytes: before.gigabytes + 1,
    });
    assert.equal((await create({}, 'stranger')).status, 202);
    await set({ volumes: -1, per_volume_gigabytes: 2 });
    refused(
      await create({ size: 3 }),
      'VolumeSizeExceedsLimit: Requested volume size 3G is larger than maximum allowed limit 2G.',
    );
  });

  it('count each type by itself as well', async () => {
    await type('fast');
    await set({ volumes_fast: 1, gigabytes_fast: 5 });
    assert.equal((await create({ volume_type: 'fast', size: 2 })).status, 202);
    refused(
      await create({ volume_type: 'fast' }),
      "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes_fast'.",
    );
    await set({ volumes_fast: -1 });
    refused(
      await create({ volume_type: 'fast', size: 4 }),
      'VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_fast quota. Requested 4G, quota is 5G and 2G has been consumed.',
    );
    assert.equal((await create({ size: 4 })).status, 202);
    assert.deepEqual((await usage()).gigabytes_fast, { limit: 5, in_use: 2, reserved: 0 });
  });

  it('come from the class where the project has none of its own, and from the environment last', async () => {
    const before = await used();
    const { status, body } = await api.call('PUT', '/os-quota-class-sets/default', {
      as: 'admin',
      body: { quota_class_set: { volumes: before.volumes } },
    });
    assert.equal(status, 200);
    assert.equal(body.quota_class_set.volumes, before.volumes);
    assert.equal('id' in body.quota_class_set, false);
    assert.equal((await create({})).status, 413);
    const defaults = await api.call('GET', `/os-quota-sets/${PROJECT}/defaults`);
    assert.equal(defaults.body.quota_set.volumes, before.volumes);
    await set({ volumes: before.volumes + 1 });
    assert.equal((await create({})).status, 202);
    assert.equal((await create({})).status, 413);
    await set({ volumes: -1 });
    assert.equal((await create({})).status, 202);
    const gone = await api.call('DELETE', `/os-quota-sets/${PROJECT}`, { as: 'admin' });
    assert.equal(gone.status, 200);
    assert.equal((await create({})).status, 413);
    const shown = await api.call('GET', '/os-quota-class-sets/default', { as: 'admin' });
    assert.deepEqual(
      [shown.body.quota_class_set.id, shown.body.quota_class_set.volumes],
      ['default', before.volumes],
    );

    await using limited = await startApi({ quotaDefaults: { ...api.app.quotaDefaults, volumes: 1 } });
    const make = () => limited.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    assert.equal((await make()).status, 202);
    assert.equal((await make()).status, 413);
    await limited.call('PUT', `/os-quota-sets/${PROJECT}`, {
      as: 'admin',
      body: { quota_set: { volumes: 2 } },
    });
    assert.equal((await make()).status, 202);
    assert.equal((await make()).status, 413);
  });

  it('let no two requests that come together share the last place', async () => {
    const before = await used();
    await set({ volumes: before.volumes + 5, gigabytes: before.gigabytes + 100 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => create({})));
    const statuses = answers.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 202).length, 5, statuses.join());
    assert.equal(statuses.filter((status) => status === 413).length, 35, statuses.join());
    assert.equal((await used()).volumes, before.volumes + 5);
    await set({ volumes: -1, gigabytes: before.gigabytes + 9 });
    const sizes = await Promise.all(Array.from({ length: 20 }, () => create({ size: 2 })));
    assert.equal(sizes.filter(({ status }) => status === 202).length, 2);
  });

  it('are free again when what was made is gone', async () => {
    const id = await availableVolume(api, { size: 1 });
    const before = await used();
    await set({ volumes: before.volumes });
    assert.equal((await create({})).status, 413);
    await api.call('DELETE', `/volumes/${id}`);
    await eventually(async () => assert.equal((await api.call('GET', `/volumes/${id}`)).status, 404));
    assert.equal((await create({})).status, 202);
  });

  it('hold for snapshots, which count in gigabytes too', async () => {
    const id = await availableVolume(api, { size: 2 });
    const before = await used();
    const snapshot = () => api.call('POST', '/snapshots', { body: { snapshot: { volume_id: id } } });
    await set({ gigabytes: before.gigabytes + 1 });
    assert.match((await snapshot()).body.overLimit.message, /Requested 2G, quota is \d+G/);
    await set({ gigabytes: -1, snapshots: before.snapshots + 1 });
    const taken = await Promise.all([snapshot(), snapshot(), snapshot()]);
    assert.deepEqual(
      taken.map(({ status }) => status).toSorted((a, b) => a - b),
      [202, 413, 413],
    );
    refused(
      await snapshot(),
      `SnapshotLimitExceeded: Maximum number of snapshots allowed (${before.snapshots + 1}) exceeded`,
    );
    assert.deepEqual(await used(), {
      ...before,
      snapshots: before.snapshots + 1,
      gigabytes: before.gigabytes + 2,
    });
  });

  it('count what a volume grows by from the moment it is asked for', async () => {
    const [one, two] = [await availableVolume(api, { size: 1 }), await availableVolume(api, { size: 1 })];
    const before = await used();
    await set({ gigabytes: before.gigabytes + 5 });
    const extend = (id: string, size: number) =>
      api.call('POST', `/volumes/${id}/action`, { body: { 'os-extend': { new_size: size } } });
    refused(
      await extend(one, 7),
      `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 6G, quota is ${before.gigabytes + 5}G and ${before.gigabytes}G has been consumed.`,
    );
    await volumeBecomes(api, one, 'available');
    const together = await Promise.all([extend(one, 4), extend(two, 4)]);
    assert.deepEqual(
      together.map(({ status }) => status).toSorted((a, b) => a - b),
      [202, 413],
    );
    await eventually(async () =>
      assert.deepEqual((await usage()).gigabytes, {
        limit: before.gigabytes + 5,
        in_use: before.gigabytes + 3,
        reserved: 0,
      }),
    );
    await set({ per_volume_gigabytes: 10, gigabytes: -1 });
    assert.equal((await extend(one, 11)).status, 413);
  });

  it('are checked before they are set', async () => {
    const bad = async (quotas: Record<string, unknown>, message: RegExp) => {
      const { status, body } = await set(quotas);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(body.badRequest.message, message);
    };
    await bad({ hats: 1 }, /Bad key\(s\) in quota set: hats/);
    await bad({ volumes: -2 }, /volumes must be >= -1/);
    await bad({ volumes: 2 ** 31 }, /volumes must be <= 2147483647/);
    await bad({ volumes: 'many' }, /volumes must be an integer/);
    await bad({}, /does not have enough properties/);
    const { volumes } = await used();
    assert.ok(volumes > 1);
    // As in Cinder, the first limit may be below what is used, and a later one may not.
    assert.equal((await set({ volumes: 0, tenant_id: PROJECT })).status, 200);
    await bad({ volumes: 1 }, /Quota volumes limit must be equal or greater than existing resources/);
    const skipped = await api.call('PUT', `/os-quota-sets/${PROJECT}?skip_validation=True`, {
      as: 'admin',
      body: { quota_set: { volumes: 1 } },
    });
    assert.equal(skipped.status, 200);
    const strict = await api.call('PUT', `/os-quota-sets/${PROJECT}?skip_validation=False`, {
      as: 'admin',
      body: { quota_set: { gigabytes: 1 } },
    });
    assert.equal(strict.status, 400);
    const badClass = await api.call('PUT', '/os-quota-class-sets/default', {
      as: 'admin',
      body: { quota_class_set: { hats: 1 } },
    });
    assert.equal(badClass.status, 400);
  });

  it('are an administrator’s to set, and everybody’s own to see', async () => {
    const paths = [`/os-quota-sets/${PROJECT}`, '/os-quota-class-sets/default'];
    for (const path of paths) {
      const body = { quota_set: { volumes: 1 }, quota_class_set: { volumes: 1 } };
      assert.equal((await api.call('PUT', path, { body })).status, 403);
    }
    assert.equal((await api.call('GET', `/os-quota-sets/${OTHER_PROJECT}`)).status, 403);
    assert.equal((await api.call('GET', '/os-quota-class-sets/default')).status, 403);
  });

  it('stand in the limits with what is used', async () => {
    await set({ volumes: 1_000, gigabytes: 500_000 });
    const { volumes, gigabytes } = await used();
    const { body } = await api.call('GET', '/limits');
    assert.deepEqual(
      [body.limits.absolute.maxTotalVolumes, body.limits.absolute.maxTotalVolumeGigabytes],
      [1_000, 500_000],
    );
    assert.deepEqual(
      [body.limits.absolute.totalVolumesUsed, body.limits.absolute.totalGigabytesUsed],
      [volumes, gigabytes],
    );
    const other = await api.call('GET', `/limits?project_id=${OTHER_PROJECT}`, { as: 'admin' });
    assert.equal(other.body.limits.absolute.maxTotalVolumes, -1);
    const early = await api.call('GET', `/limits?project_id=${OTHER_PROJECT}`, { as: 'admin', version: 38 });
    assert.equal(early.body.limits.absolute.maxTotalVolumes, 1_000);
  });

  it('are counted in an index alone', async () => {
    for (const query of [
      sql`EXPLAIN SELECT COUNT(*), SUM(size_gib) FROM volumes WHERE project_id = ${PROJECT}`,
      sql`EXPLAIN SELECT COUNT(*), SUM(size_gib) FROM snapshots WHERE project_id = ${PROJECT}`,
    ]) {
      const { rows } = await sql<{ Extra: string }>`${query}`.execute(api.db);
      assert.match(rows[0]?.Extra ?? '', /Using index/);
    }
  });
});

describe('quotas of what is under way', () => {
  it('show it as reserved until its operation has ended', async () => {
    await using api = await startApi();
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    const id = asId<VolumeId>(body.volume.id);
    await api.db.updateTable('volumes').set({ status: 'available' }).where('id', '=', id).execute();
    const grown = await api.call('POST', `/volumes/${id}/action`, { body: { 'os-extend': { new_size: 5 } } });
    assert.equal(grown.status, 202);
    const gigabytes = async () =>
      (await api.call('GET', `/os-quota-sets/${PROJECT}?usage=True`)).body.quota_set.gigabytes;
    assert.deepEqual(await gigabytes(), { limit: -1, in_use: 1, reserved: 4 });
    await api.db
      .updateTable('operations')
      .set({ state: 'undone' })
      .where('kind', '=', 'volume.extend')
      .execute();
    assert.deepEqual(await gigabytes(), { limit: -1, in_use: 1, reserved: 0 });
  });
});
