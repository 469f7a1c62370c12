import assert from 'node:assert/strict';
import { asId, type HostName, type PoolName } from '#schema/ids.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { type Hosts, startHosts } from '../support/hosts.ts';

describe('what a type asks of its volumes', function () {
  this.timeout(60_000);
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

  /** A second back end of the same agent, in a zone of its own. */
  async function addZone(zone: string): Promise<void> {
    const [service] = await api.db
      .selectFrom('services')
      .selectAll()
      .where('binary', '=', 'blockyard-storage')
      .execute();
    const [pool] = await api.db.selectFrom('pools').selectAll().execute();
    assert.ok(service && pool);
    const { id: _, ...row } = service;
    const place = { agent: asId<HostName>('stor2'), availability_zone: zone };
    const host = `stor1@${zone}`;
    await api.db
      .insertInto('services')
      .values({ ...row, ...place, host, last_seen_at: '2100-01-01 00:00:00' })
      .execute();
    await api.db
      .insertInto('pools')
      .values({
        ...pool,
        ...place,
        name: asId<PoolName>(`${host}#${zone}`),
        service_host: host,
        allocated_gib: 0,
      })
      .execute();
  }

  let types = 0;
  async function makeType(extra_specs: Readonly<Record<string, string>>): Promise<string> {
    const volume_type = { name: `type-${++types}`, extra_specs };
    const { status, body } = await api.call('POST', '/types', { as: 'admin', body: { volume_type } });
    assert.equal(status, 200, JSON.stringify(body));
    return body.volume_type.name;
  }

  async function create(volume: object): Promise<string> {
    const { status, body } = await api.call('POST', '/volumes', { body: { volume } });
    return status === 202 ? body.volume.id : `${status}: ${body.badRequest?.message}`;
  }

  /** Waits until it is no longer being worked on. */
  async function settled(id: string) {
    for (;;) {
      const { body } = await api.call('GET', `/volumes/${id}`);
      if (!['creating', 'extending', 'retyping'].includes(body.volume.status)) return body.volume;
    }
  }

  const act = async (id: string, action: object): Promise<string> => {
    const { status, body } = await api.call('POST', `/volumes/${id}/action`, { body: action });
    return `${status}: ${body?.badRequest?.message}`;
  };

  it('a size between two bounds, when one is made, grows or gets the type', async () => {
    const type = await makeType({
      'provisioning:min_vol_size': '2',
      'provisioning:max_vol_size': '4',
    });
    const small = `Specified volume size of '1' is less than the minimum required size of '2' for volume type '${type}'.`;
    const large = `Specified volume size of '5' is greater than the maximum allowable size of '4' for volume type '${type}'.`;
    assert.equal(await create({ size: 1, volume_type: type }), `400: Invalid input received: ${small}`);
    assert.equal(await create({ size: 5, volume_type: type }), `400: Invalid input received: ${large}`);
    const id = await create({ size: 2, volume_type: type });
    assert.equal((await settled(id)).status, 'available');
    const grown = { 'os-extend': { new_size: 5 } };
    assert.equal(await act(id, grown), `400: Invalid input received: ${large}`);
    assert.equal(await act(id, { 'os-extend': { new_size: 4 } }), '202: undefined');
    assert.equal((await settled(id)).size, 4);
    const other = await create({ size: 1, volume_type: await makeType({}) });
    await settled(other);
    const retype = { 'os-retype': { new_type: type } };
    assert.equal(await act(other, retype), `400: Invalid input received: ${small}`);
  });

  it('nothing that no back end does: replication is refused in words, what is listed of pools is there', async () => {
    const of = async (specs: Readonly<Record<string, string>>) =>
      settled(await create({ size: 1, volume_type: await makeType(specs) }));
    assert.equal((await of({ QoS_support: '<is> True', storage_protocol: 'iSCSI' })).status, 'available');
    const { id, status } = await of({ replication_enabled: '<is> True' });
    assert.equal(status, 'error');
    const { messages } = (await api.call('GET', `/messages?resource_uuid=${id}`)).body;
    assert.match(messages[0].user_message, /its replication_enabled is false, the type asks for <is> True/);
  });

  it('zones: a type’s, a group’s, those of a retype', async () => {
    await addZone('far');
    const made = async (volume: object): Promise<string> => {
      const answer = await create({ size: 1, ...volume });
      if (answer.startsWith('400: ')) return answer;
      const { status, availability_zone: zone } = await settled(answer);
      return `${status} in ${zone}`;
    };
    const zones = (value: string) => makeType({ 'RESKEY:availability_zones': value });
    const nowhere = await zones('zone8,zone9');
    assert.equal(
      await made({ volume_type: nowhere }),
      "400: Volume type is only supported in these availability zones: ['zone8', 'zone9']",
    );
    const far = await zones('zone9,far');
    assert.equal(await made({ volume_type: far }), 'available in far');
    assert.equal(await made({ volume_type: far, availability_zone: 'far' }), 'available in far');
    assert.equal(
      await made({ volume_type: far, availability_zone: 'nova' }),
      "400: Availability zone 'nova' is invalid.",
    );
    const near = await create({ size: 1, volume_type: await makeType({}) });
    assert.equal((await settled(near)).availability_zone, 'nova');
    assert.equal(
      await made({ source_volid: near, volume_type: far }),
      "400: Availability zone 'nova' is invalid.",
    );
    // Of two zones that would do, placement takes one in which there is a pool that does.
    const either = await makeType({
      'RESKEY:availability_zones': ' nova, far',
      pool_name: 'far',
      volume_backend_name: '<or> far <or> files',
    });
    await api.db
      .updateTable('pools')
      .set({ backend_name: 'far' })
      .where('availability_zone', '=', 'far')
      .execute();
    assert.equal(await made({ volume_type: either }), 'available in far');

    const group_type = (
      await api.call('POST', '/group_types', { as: 'admin', body: { group_type: { name: 'zoned' } } })
    ).body.group_type.id;
    const plain = await makeType({});
    const group = await api.call('POST', '/groups', {
      body: { group: { group_type, volume_types: [plain, nowhere], availability_zone: 'far' } },
    });
    const inGroup = { group_id: group.body.group.id, volume_type: plain, availability_zone: 'nova' };
    assert.equal(await made(inGroup), 'available in far', 'whatever is asked');

    for (const [migration_policy, zone] of [
      ['never', 'nova'],
      ['on-demand', 'far'],
    ]) {
      const asked = { 'os-retype': { new_type: far, migration_policy } };
      assert.equal(await act(near, asked), '202: undefined');
      const { status, availability_zone } = await settled(near);
      assert.deepEqual([status, availability_zone], ['available', zone], migration_policy);
    }
  });

  it('never to be encrypted and for several servers at once', async () => {
    const type = await makeType({ multiattach: '<is> True' });
    const encryption = { provider: 'luks', control_location: 'front-end' };
    const shown = await api.call(
      'GET',
      `/types?extra_specs=${encodeURIComponent("{'multiattach': '<is> True'}")}`,
      {
        as: 'admin',
      },
    );
    const [{ id }] = shown.body.volume_types.filter(({ name }: { name: string }) => name === type);
    const plain = await create({ size: 1, volume_type: type });
    const before = await settled(plain);
    assert.equal(before.multiattach, true);
    await api.call('DELETE', `/volumes/${plain}`);
    while ((await api.call('GET', `/volumes/${plain}`)).status !== 404);
    const made = await api.call('POST', `/types/${id}/encryption`, { as: 'admin', body: { encryption } });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    assert.equal(
      await create({ size: 1, volume_type: type }),
      '400: Invalid volume: Multiattach cannot be used with encrypted volumes.',
    );
    assert.deepEqual(await api.db.selectFrom('encryption_keys').selectAll().execute(), []);
  });
});
