import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { sqlTime } from '#schema/clock.ts';
import { asId } from '#schema/ids.ts';
import { PROJECT, startApi, type TestApi } from '../support/api.ts';

describe('limits and quotas of servers', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const addServer = (projectId: string, status: string) =>
    api.db
      .insertInto('servers')
      .values({
        id: asId(randomUUID()),
        host: null,
        project_id: asId(projectId),
        user_id: null,
        name: 'one',
        status,
        vcpus: 2,
        memory_mib: 512,
        root_volume_id: null,
        flavor: null,
        task_state: null,
        fault: null,
        metadata: null,
        created_at: sqlTime(Date.now()),
        updated_at: sqlTime(Date.now()),
      })
      .execute();

  it('there are none, and what is used is the project’s own', async () => {
    await addServer(PROJECT, 'ACTIVE');
    await addServer(PROJECT, 'SHUTOFF');
    await addServer(PROJECT, 'DELETED');
    await addServer(randomUUID().replaceAll('-', ''), 'ACTIVE');
    const { body } = await api.compute('GET', '/limits', { version: 90 });
    assert.deepEqual(body.limits, {
      rate: [],
      absolute: {
        maxTotalInstances: -1,
        maxTotalCores: -1,
        maxTotalRAMSize: -1,
        maxTotalKeypairs: -1,
        maxServerMeta: -1,
        maxServerGroups: -1,
        maxServerGroupMembers: -1,
        totalServerGroupsUsed: 0,
        totalInstancesUsed: 2,
        totalCoresUsed: 4,
        totalRAMUsed: 1_024,
      },
    });
    const names = async (version: number) =>
      Object.keys((await api.compute('GET', '/limits', { version })).body.limits.absolute);
    assert.equal((await names(1)).length - (await names(36)).length, 5);
    assert.ok((await names(38)).includes('maxImageMeta') && !(await names(39)).includes('maxImageMeta'));
    assert.ok((await names(56)).includes('maxPersonality') && !(await names(57)).includes('maxPersonality'));
  });

  it('others’ are for administrators', async () => {
    const other = randomUUID().replaceAll('-', '');
    await addServer(other, 'ACTIVE');
    for (const path of [
      `/limits?tenant_id=${other}`,
      `/os-quota-sets/${other}`,
      '/os-quota-class-sets/default',
    ])
      assert.equal((await api.compute('GET', path)).status, 403, path);
    const { body } = await api.compute('GET', `/limits?tenant_id=${other}`, { as: 'admin' });
    assert.equal(body.limits.absolute.totalInstancesUsed, 1);
    const quotas = await api.compute('GET', `/os-quota-sets/${other}`, { as: 'admin', version: 57 });
    const unlimited = {
      instances: -1,
      cores: -1,
      ram: -1,
      key_pairs: -1,
      metadata_items: -1,
      server_groups: -1,
      server_group_members: -1,
    };
    assert.deepEqual(quotas.body, { quota_set: { id: other, ...unlimited } });
    const own = await api.compute('GET', `/os-quota-sets/${PROJECT}`, { version: 1 });
    assert.equal(Object.keys(own.body.quota_set).length, 15);
    const defaults = await api.compute('GET', `/os-quota-sets/${PROJECT}/defaults`, { version: 57 });
    assert.deepEqual(defaults.body, { quota_set: { id: PROJECT, ...unlimited } });
    const byClass = await api.compute('GET', '/os-quota-class-sets/default', {
      as: 'admin',
      version: 57,
    });
    assert.deepEqual(byClass.body, { quota_class_set: { id: 'default', ...unlimited } });
  });

  it('are told with what is used of them, and put back to what they are', async () => {
    const used = (await api.compute('GET', '/limits', { version: 90 })).body.limits.absolute;
    const path = `/os-quota-sets/${PROJECT}`;
    const { body } = await api.compute('GET', `${path}/detail`, { version: 57 });
    const detail = (inUse: number) => ({ limit: -1, in_use: inUse, reserved: 0 });
    assert.deepEqual(body.quota_set.instances, detail(used.totalInstancesUsed));
    assert.deepEqual(body.quota_set.ram, detail(used.totalRAMUsed));
    assert.deepEqual(body.quota_set.server_groups, detail(0));
    const plain = await api.compute('GET', path, { version: 57 });
    assert.deepEqual(Object.keys(body.quota_set), Object.keys(plain.body.quota_set));
    assert.equal((await api.compute('GET', `/os-quota-sets/${'0'.repeat(32)}/detail`)).status, 403);
    assert.equal((await api.compute('DELETE', path)).status, 403);
    assert.equal((await api.compute('DELETE', path, { as: 'admin' })).status, 202);
  });

  it('of a class networks go, and groups come, later than of a project', async () => {
    const namesOf = async (version: number): Promise<string[]> => {
      const { body } = await api.compute('GET', '/os-quota-class-sets/default', { as: 'admin', version });
      return Object.keys(body.quota_class_set);
    };
    const without = (names: readonly string[], others: readonly string[]) =>
      names.filter((name) => !others.includes(name));
    const [first, before, since] = [await namesOf(1), await namesOf(49), await namesOf(50)];
    assert.deepEqual(before, first);
    const networks = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules'];
    assert.deepEqual(without(before, since), networks);
    assert.deepEqual(without(since, before), ['server_groups', 'server_group_members']);
    const last = await namesOf(56);
    assert.deepEqual(last, since);
    const files = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes'];
    assert.deepEqual(without(last, await namesOf(57)), files);
  });
});
