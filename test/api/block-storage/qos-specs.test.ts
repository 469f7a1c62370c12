import assert from 'node:assert/strict';
import { type Answer, startApi, type TestApi } from '../support/api.ts';

describe('types and QoS specs', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const as = 'admin' as const;
  const createQos = (qos: Record<string, unknown>): Promise<Answer> =>
    api.call('POST', '/qos-specs', { as, body: { qos_specs: qos } });
  const createType = (type: Record<string, unknown>): Promise<Answer> =>
    api.call('POST', '/types', { as, body: { volume_type: type } });

  it('a type: create, show by everybody, update, extra specs, delete', async () => {
    const { body } = await createType({
      name: 'gold',
      description: 'fast',
      extra_specs: { volume_backend_name: 'files', multiattach: '<is> False' },
    });
    const path = `/types/${body.volume_type.id}`;
    const seen = await api.call('GET', path);
    assert.deepEqual(seen.body.volume_type.extra_specs, { multiattach: '<is> False' });
    assert.equal(seen.body.volume_type.qos_specs_id, undefined);
    assert.equal((await createType({ name: 'gold' })).status, 409);
    assert.equal((await createType({ name: '  ' })).status, 400);

    const changed = await api.call('PUT', path, {
      as,
      body: { volume_type: { name: 'silver', is_public: false } },
    });
    assert.equal(changed.body.volume_type.name, 'silver');
    assert.equal((await api.call('GET', path)).status, 404, 'a private type');
    const made = { volume: { size: 1, volume_type: 'silver' } };
    assert.equal((await api.call('POST', '/volumes', { body: made })).status, 404);

    const specs = await api.call('POST', `${path}/extra_specs`, {
      as,
      body: { extra_specs: { a: '1', b: '2' } },
    });
    assert.deepEqual(specs.body, { extra_specs: { a: '1', b: '2' } });
    assert.deepEqual((await api.call('PUT', `${path}/extra_specs/a`, { as, body: { a: '3' } })).body, {
      a: '3',
    });
    assert.equal((await api.call('PUT', `${path}/extra_specs/a`, { as, body: { b: '3' } })).status, 400);
    assert.equal((await api.call('DELETE', `${path}/extra_specs/b`, { as })).status, 202);
    assert.equal((await api.call('GET', `${path}/extra_specs/b`, { as })).status, 404);

    assert.equal((await api.call('POST', '/volumes', { as, body: made })).status, 202);
    assert.match((await api.call('DELETE', path, { as })).body.badRequest.message, /still in use/);
    const inUse = await api.call('POST', `${path}/extra_specs`, { as, body: { extra_specs: { c: '1' } } });
    assert.match(inUse.body.badRequest.message, /currently in use/);
  });

  it("refuses specs in Cinder's words, and keeps nothing that is null", async () => {
    const long = 'x'.repeat(256);
    for (const [spec, message] of [
      [{ name: '' }, "An invalid 'name' value was provided. The 'name' can not be None."],
      [{ name: '  ' }, "An invalid 'name' value was provided. The 'name' can not be empty."],
      [
        { name: long },
        "An invalid 'name' value was provided. The 'name' can not be greater than 255 characters.",
      ],
      [{ name: 'n', a: 5 }, 'Invalid input received: Value for key "a" is not a string or unicode'],
      [
        { name: 'n', a: long },
        'Invalid input received: Value for key "a" has 256 characters, more than 255.',
      ],
      [{}, "Invalid input for field/attribute qos_specs. Value: {}. 'name' is a required property"],
    ] as const) {
      const { status, body } = await createQos(spec);
      assert.deepEqual([status, body.badRequest?.message], [400, message]);
    }
    const made = await createQos({ name: 'with nulls', consumer: null, a: null, b: '1' });
    assert.deepEqual(made.body.qos_specs.specs, { b: '1' });
    assert.equal(made.body.qos_specs.consumer, 'back-end');
    const path = `/qos-specs/${made.body.qos_specs.id}`;
    const set = await api.call('PUT', path, { as, body: { qos_specs: { b: null } } });
    assert.deepEqual([set.status, set.body], [200, { qos_specs: { b: null } }]);
    assert.deepEqual((await api.call('GET', path, { as })).body.qos_specs.specs, {});
    const force = await api.call('DELETE', `${path}?force=perhaps`, { as });
    assert.equal(force.body.badRequest.message, "Value 'perhaps' for 'force' is not a boolean.");
    assert.deepEqual((await api.call('GET', '/qos-specs?colour=red', { as })).body.qos_specs, []);
  });

  it('a spec: create, set, unset, associations, delete', async () => {
    const created = await createQos({ name: 'fast', consumer: 'both', read_iops_sec: '400', maxIOPS: '5' });
    const id: string = created.body.qos_specs.id;
    assert.deepEqual(created.body.qos_specs.specs, { read_iops_sec: '400', maxIOPS: '5' });
    assert.equal((await createQos({ name: 'fast' })).status, 409);
    assert.equal((await createQos({ name: 'other' })).body.qos_specs.consumer, 'back-end');

    const set = await api.call('PUT', `/qos-specs/${id}`, {
      as,
      body: { qos_specs: { write_iops_sec: '200' } },
    });
    assert.deepEqual(set.body, { qos_specs: { write_iops_sec: '200' } });
    const unset = (keys: string[]) => api.call('PUT', `/qos-specs/${id}/delete_keys`, { as, body: { keys } });
    assert.equal((await unset(['read_iops_sec', 'nothing'])).status, 404);
    assert.equal((await unset(['read_iops_sec'])).status, 202);
    assert.deepEqual((await api.call('GET', `/qos-specs/${id}`, { as })).body.qos_specs.specs, {
      write_iops_sec: '200',
      maxIOPS: '5',
    });

    const type: string = (await createType({ name: 'bronze' })).body.volume_type.id;
    const call = (action: string) => api.call('GET', `/qos-specs/${id}/${action}`, { as });
    assert.equal((await call('associate')).status, 400);
    assert.equal((await call(`associate?vol_type_id=${type}`)).status, 202);
    const associations = await call('associations');
    assert.deepEqual(associations.body.qos_associations, [
      { association_type: 'volume_type', name: 'bronze', id: type },
    ]);
    const second: string = (await createQos({ name: 'second' })).body.qos_specs.id;
    const taken = await api.call('GET', `/qos-specs/${second}/associate?vol_type_id=${type}`, { as });
    assert.match(taken.body.badRequest.message, /already associated with another qos specs/);

    const remove = (query: string) => api.call('DELETE', `/qos-specs/${id}${query}`, { as });
    assert.match((await remove('')).body.badRequest.message, /still in use/);
    assert.equal((await remove('?force=true')).status, 202);
    assert.equal((await call('associations')).status, 404);
    assert.equal((await api.call('GET', `/types/${type}`, { as })).body.volume_type.qos_specs_id, null);
  });

  it('refuses what a hypervisor would refuse, unless it is for the back end alone', async () => {
    const wrong: Record<string, string>[] = [
      { total_iops_sec: '1', read_iops_sec: '1' },
      { total_bytes_sec_per_gb: '1', write_bytes_sec: '1' },
      { total_bytes_sec_max: '9', read_bytes_sec_max: '9', total_bytes_sec: '1', read_bytes_sec: '1' },
      { read_iops_sec: 'many' },
      { read_iops_sec: '-1' },
      { read_iops_sec_max: '5' },
      { size_iops_sec: '4096' },
    ];
    for (const specs of wrong) {
      const front = await createQos({ name: 'wrong', consumer: 'front-end', ...specs });
      assert.equal(front.status, 400, JSON.stringify(specs));
      assert.match(front.body.badRequest.message, /^Invalid qos specs: /);
      const back = await createQos({ name: JSON.stringify(specs), consumer: 'back-end', ...specs });
      assert.equal(back.status, 200);
      const moved = await api.call('PUT', `/qos-specs/${back.body.qos_specs.id}`, {
        as,
        body: { qos_specs: { consumer: 'both' } },
      });
      assert.equal(moved.status, 400);
    }
    const right = await createQos({
      name: 'right',
      consumer: 'front-end',
      total_iops_sec: '10',
      total_iops_sec_max: '20',
      total_iops_sec_max_length: '5',
      size_iops_sec: '4096',
      read_bytes_sec_per_gb: '100',
      read_bytes_sec_per_gb_min: '500',
      group_name: 'shared',
    });
    assert.equal(right.status, 200);
  });
});
