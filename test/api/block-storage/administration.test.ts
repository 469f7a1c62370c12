import assert from 'node:assert/strict';
import { sqlTime } from '#schema/clock.ts';
import { type Answer, type CallOptions, startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts } from '../support/hosts.ts';

const BACKEND = 'stor1@files';
const POOL = 'stor1@files#files';

describe('administration', () => {
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

  const get = (path: string, options: CallOptions = {}): Promise<Answer> =>
    api.call('GET', path, { as: 'admin', ...options });
  const put = (path: string, body: unknown, version = 71): Promise<Answer> =>
    api.call('PUT', path, { as: 'admin', body, version });
  const serviceOf = async (host: string) =>
    (await get('/os-services')).body.services.find((one: { host: string }) => one.host === host);

  it('names services as Cinder does, and takes both names', async () => {
    const { body } = await get('/os-services?binary=cinder-volume');
    assert.deepEqual(
      body.services.map(({ binary, host }: { binary: string; host: string }) => [binary, host]),
      [['cinder-volume', BACKEND]],
    );
    assert.deepEqual((await get('/os-services?binary=blockyard-storage')).body, body);
    assert.equal((await get(`/os-services?host=${encodeURIComponent(BACKEND)}`)).body.services.length, 1);
    assert.equal((await get('/os-services?binary=cinder-scheduler')).body.services[0].host, 'cond1');
    assert.deepEqual((await get('/os-services?binary=no-such')).body.services, []);
  });

  it('shows of a service what its microversion has', async () => {
    const of = async (version: number) =>
      Object.keys((await get('/os-services?binary=cinder-volume', { version })).body.services[0]);
    assert.equal((await of(6)).includes('cluster'), false);
    assert.equal((await of(7)).includes('cluster'), true);
    assert.equal((await of(48)).includes('backend_state'), false);
    assert.equal((await of(49)).includes('backend_state'), true);
  });

  it('freezes a back end, which takes no new volume until it is thawed', async () => {
    const kept = await availableVolume(api, { size: 1 });
    const snapshot = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: kept } } });
    const kind = { name: 'kept together', group_specs: {} };
    const types = await api.call('POST', '/group_types', { as: 'admin', body: { group_type: kind } });
    const group = await api.call('POST', '/groups', {
      body: { group: { group_type: types.body.group_type.id, volume_types: ['__DEFAULT__'] } },
    });
    const { id: groupId } = group.body.group;
    const member = await availableVolume(api, { size: 1, group_id: groupId, volume_type: '__DEFAULT__' });
    const together = await api.call('POST', '/group_snapshots', {
      body: { group_snapshot: { group_id: groupId } },
    });
    const snapshots = [snapshot.body.snapshot.id, together.body.group_snapshot.id];
    const paths = [`/snapshots/${snapshots[0]}`, `/group_snapshots/${snapshots[1]}`];
    for (const path of paths)
      await eventually(async () =>
        assert.match(JSON.stringify((await api.call('GET', path)).body), /"status":"available"/),
      );
    assert.equal((await put('/os-services/freeze', { host: BACKEND })).status, 200);
    const force = (path: string): ['POST', string, object] => [
      'POST',
      `${path}/action`,
      { 'os-force_delete': {} },
    ];
    for (const [method, path, body] of [
      ['DELETE', `/volumes/${kept}?cascade=true`],
      force(`/volumes/${kept}`),
      ...paths.map((one) => ['DELETE', one] as const),
      force(paths[0] ?? ''),
      ['POST', '/snapshots', { snapshot: { volume_id: member } }],
      ['POST', '/group_snapshots', { group_snapshot: { group_id: groupId } }],
      ['POST', `/groups/${groupId}/action`, { delete: { 'delete-volumes': true } }],
    ] as ['POST' | 'DELETE', string, object?][]) {
      const answer = await api.call(method, path, { as: 'admin', body });
      assert.deepEqual(
        [answer.status, answer.body.badRequest?.message],
        [400, 'Invalid input received: Modification operations are not allowed on frozen storage backends.'],
        path,
      );
    }
    const frozen = await serviceOf(BACKEND);
    assert.deepEqual([frozen.frozen, frozen.status, frozen.disabled_reason], [true, 'disabled', 'frozen']);
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    await eventually(async () =>
      assert.equal((await api.call('GET', `/volumes/${body.volume.id}`)).body.volume.status, 'error'),
    );
    const again = await put('/os-services/freeze', { host: BACKEND });
    assert.equal(again.status, 400);
    assert.match(
      again.body.badRequest.message,
      /No service could be changed: frozen in \['stor1@files'\] must be False/,
    );
    assert.equal((await put('/os-services/thaw', { host: BACKEND })).status, 200);
    const thawed = await serviceOf(BACKEND);
    assert.deepEqual([thawed.frozen, thawed.status, thawed.disabled_reason], [false, 'enabled', '']);
    await availableVolume(api, { size: 1 });
  });

  it('says why a back end cannot fail over, and which host is not there', async () => {
    const failover = await put('/os-services/failover_host', { host: BACKEND });
    assert.equal(failover.status, 400);
    assert.match(
      failover.body.badRequest.message,
      /replication_status in \['stor1@files'\] must be \['enabled', 'failed-over'\] and must be up/,
    );
    const nowhere = await put('/os-services/freeze', { host: 'nowhere' });
    assert.equal(nowhere.body.badRequest.message, 'No service found with host=nowhere');
    const both = await put('/os-services/thaw', { host: BACKEND, cluster: 'c' });
    assert.match(both.body.badRequest.message, /One and only one of cluster and host must be set\./);
    const none = await put('/os-services/thaw', { cluster: 'c' }, 25);
    assert.match(none.body.badRequest.message, /Host field is missing\./);
    const early = await put('/os-services/failover', { host: BACKEND }, 25);
    assert.equal(early.body.badRequest.message, 'Invalid input received: Unknown action');
    const clustered = await put('/os-services/failover_host', { host: 'nowhere', cluster: 'c' });
    assert.equal(clustered.body.badRequest.message, 'No service found with host=nowhere');
    assert.equal((await put('/os-services/failover', { host: BACKEND }, 26)).status, 400);
  });

  it('wants to know which service, in words that name one', async () => {
    for (const [body, message] of [
      [{ host: BACKEND }, `{'host': '${BACKEND}'} is not valid under any of the given schemas`],
      [{ binary: 'cinder-volume' }, 'Invalid input received: Host field is missing.'],
      [
        { host: '', binary: 'cinder-volume' },
        "Invalid input for field/attribute host. Value: . '' is too short",
      ],
      [
        { host: 5, binary: 'cinder-volume' },
        "Invalid input for field/attribute host. Value: 5. 5 is not of type 'string', 'null'",
      ],
    ] as const) {
      const answer = await put('/os-services/enable', body);
      assert.deepEqual([answer.status, answer.body.badRequest?.message], [400, message]);
    }
    const blank = await put('/os-services/disable-log-reason', {
      host: BACKEND,
      binary: 'cinder-volume',
      disabled_reason: ' ',
    });
    assert.match(blank.body.badRequest.message, /' ' is not a 'disabled_reason'$/);
  });

  it('tells of an action that it does not know to those who may ask for one', async () => {
    const unknown = await put('/os-services/mend', { host: BACKEND });
    assert.deepEqual(
      [unknown.status, unknown.body.badRequest?.message],
      [400, 'Invalid input received: Unknown action'],
    );
    for (const action of ['mend', 'freeze', 'failover']) {
      const refused = await api.call('PUT', `/os-services/${action}`, { body: { host: BACKEND } });
      assert.equal(
        refused.body.forbidden?.message,
        "Policy doesn't allow volume_extension:services:update to be performed.",
      );
    }
    const cluster = await put('/clusters/mend', { name: 'c' });
    assert.deepEqual([cluster.status, cluster.body.itemNotFound?.message], [404, 'Unknown action']);
    const disable = (reason: string) =>
      put('/clusters/disable', { name: 'c', disabled_reason: reason }).then(({ status }) => status);
    assert.deepEqual([await disable(''), await disable(' '), await disable('why')], [404, 400, 404]);
  });

  it('takes a host for its back ends, and no pool for either', async () => {
    const service = { host: 'stor1', binary: 'cinder-volume' };
    const off = await put('/os-services/disable-log-reason', { ...service, disabled_reason: ' so ' });
    assert.deepEqual([off.status, off.body.disabled_reason], [200, ' so ']);
    assert.equal((await serviceOf(BACKEND)).status, 'disabled');
    assert.equal((await put('/os-services/enable', service)).status, 200);
    const whole = (await get('/os-hosts/stor1')).body.host;
    const one = (await get(`/os-hosts/${BACKEND}`)).body.host;
    assert.deepEqual(whole[0].resource, { ...one[0].resource, host: 'stor1' });
    const pool = encodeURIComponent(POOL);
    assert.equal((await get(`/capabilities/${pool}`)).status, 404);
    assert.equal((await get(`/os-hosts/${pool}`)).status, 404);
    assert.equal(
      (await put('/os-services/freeze', { host: POOL })).body.badRequest?.message,
      `No service found with host=${POOL}`,
    );
    assert.deepEqual((await get('/os-services?host=')).body, (await get('/os-services')).body);
  });

  it('lists the pools that a type would be placed in', async () => {
    const type = async (specs: Record<string, string>): Promise<string> => {
      const body = {
        volume_type: { name: `pools ${JSON.stringify(specs)}`.slice(0, 200), extra_specs: specs },
      };
      return (await api.call('POST', '/types', { as: 'admin', body })).body.volume_type.id;
    };
    const fitting = async (specs: Record<string, string>, version = 71) =>
      (await get(`/scheduler-stats/get_pools?volume_type=${await type(specs)}`, { version })).body.pools;
    const [pool] = (await get('/scheduler-stats/get_pools')).body.pools;
    assert.deepEqual(await fitting({ volume_backend_name: 'files' }), [pool]);
    assert.deepEqual(await fitting({ volume_backend_name: 'files', free_capacity_gb: '>= 1' }), [pool]);
    assert.deepEqual(await fitting({ volume_backend_name: 'files', total_capacity_gb: '<= 0' }), []);
    assert.deepEqual(await fitting({ no_such_capability: 'x' }), []);
    assert.deepEqual(await fitting({ replication_enabled: '<is> False' }), [pool]);
    assert.deepEqual(await fitting({ replication_enabled: '<is> True' }), []);
    const { capabilities } = (await get('/scheduler-stats/get_pools?detail=true')).body.pools[0];
    for (const [key, value] of Object.entries(capabilities as Record<string, string | number | boolean>)) {
      if (['timestamp', 'volume_backend_name', 'replication_enabled'].includes(key)) continue;
      const wanted = typeof value === 'boolean' ? `<is> ${value ? 'True' : 'False'}` : `${value}`;
      assert.deepEqual(await fitting({ [key]: wanted }), [pool], `what is shown is there: ${key}`);
    }
    assert.deepEqual(await fitting({ no_such: 'x' }, 34), [pool], 'no such filter before 3.35');
    assert.equal((await get('/scheduler-stats/get_pools?volume_type=nothing')).status, 404);
    const byName = await get(
      `/scheduler-stats/get_pools?volume_type=${encodeURIComponent('pools {"no_such":"x"}')}`,
    );
    assert.deepEqual(byName.body.pools, []);
    const by = async (query: string, version: number) =>
      (await get(`/scheduler-stats/get_pools?${query}`, { version })).body.pools;
    assert.deepEqual(await by('volume_backend_name=files', 28), [pool]);
    assert.deepEqual(await by('volume_backend_name=other', 28), []);
    assert.deepEqual(await by('volume_backend_name=other', 27), [pool]);
    assert.equal((await get('/scheduler-stats/get_pools?detail=perhaps')).status, 400);
  });

  it('switches services off and on with a reason', async () => {
    const body = { host: BACKEND, binary: 'cinder-volume' };
    const off = await put('/os-services/disable-log-reason', { ...body, disabled_reason: 'new disks' });
    assert.deepEqual(off.body, {
      ...body,
      service: '',
      status: 'disabled',
      disabled: true,
      disabled_reason: 'new disks',
    });
    assert.equal((await serviceOf(BACKEND)).disabled_reason, 'new disks');
    const on = await put('/os-services/enable', body);
    assert.deepEqual([on.body.disabled, on.body.disabled_reason], [false, 'new disks']);
    assert.equal((await put('/os-services/disable', body)).body.disabled_reason, undefined);
    assert.equal((await put('/os-services/enable', body)).status, 200);
    const { status, disabled_reason: kept } = await serviceOf(BACKEND);
    assert.deepEqual([status, kept], ['enabled', 'new disks'], 'the reason stays, as in Cinder');
  });

  it('lists hosts and what lies on them', async () => {
    const { body } = await get('/os-hosts');
    const storage = body.hosts.find((one: { service: string }) => one.service === 'cinder-volume');
    assert.deepEqual(
      [storage.host_name, storage['service-status'], storage['service-state']],
      [BACKEND, 'available', 'enabled'],
    );
    await availableVolume(api, { size: 3 });
    const shown = await get(`/os-hosts/${encodeURIComponent(BACKEND)}`);
    const [total, ...projects] = shown.body.host.map((one: { resource: unknown }) => one.resource);
    assert.equal(total.project, '(total)');
    assert.equal(projects.length, 1);
    assert.equal(total.volume_count, projects[0].volume_count);
    assert.ok(Number(total.total_volume_gb) >= 3);
    assert.equal(
      (await get('/os-hosts/nowhere')).body.itemNotFound.message,
      'Service cinder-volume could not be found on host nowhere.',
    );
    assert.deepEqual((await put(`/os-hosts/${encodeURIComponent(BACKEND)}`, { status: 'Disable' })).body, {
      host: BACKEND,
      status: 'disabled',
    });
    assert.equal((await serviceOf(BACKEND)).status, 'disabled');
    assert.equal((await put(`/os-hosts/${encodeURIComponent(BACKEND)}`, { status: 'enable' })).status, 200);
    assert.equal((await put(`/os-hosts/${encodeURIComponent(BACKEND)}`, { hats: 'on' })).status, 400);
  });

  it('tells what a back end can do, the same as its pools say', async () => {
    const { body } = await get('/capabilities/stor1');
    assert.equal(body.namespace, `OS::Storage::Capabilities::${BACKEND}`);
    const { pools } = (await get('/scheduler-stats/get_pools?detail=true')).body;
    for (const key of ['vendor_name', 'volume_backend_name', 'storage_protocol', 'driver_version'])
      assert.equal(body[key], pools[0].capabilities[key], key);
    assert.deepEqual(body.properties.qos, { title: 'QoS', description: 'Enables QoS.', type: 'boolean' });
    assert.equal((await get('/capabilities/nowhere')).status, 404);
  });

  it('filters pools from the microversions that can', async () => {
    const names = async (query: string, version: number) =>
      (await get(`/scheduler-stats/get_pools?${query}`, { version })).body.pools.map(
        ({ name }: { name: string }) => name,
      );
    assert.deepEqual(await names('name=other', 27), [POOL]);
    assert.deepEqual(await names('name=other', 28), []);
    assert.deepEqual(await names(`name=${encodeURIComponent(POOL)}`, 71), [POOL]);
    assert.deepEqual(await names('volume_type=no-such', 34), [POOL]);
    assert.equal((await get('/scheduler-stats/get_pools?volume_type=no-such', { version: 35 })).status, 404);
    assert.equal(
      (await get('/scheduler-stats/get_pools?hats=1&shoes=2', { version: 31 })).body.badRequest.message,
      'Invalid filters hats,shoes are found in query options.',
    );
    assert.equal((await get('/scheduler-stats/get_pools?hats=1', { version: 30 })).status, 200);
  });

  it('lists what there is to filter by, and which extensions', async () => {
    const all = (await get('/resource_filters')).body.resource_filters;
    assert.deepEqual(
      all.find((one: { resource: string }) => one.resource === 'pool'),
      { resource: 'pool', filters: ['name', 'volume_type'] },
    );
    assert.equal((await get('/resource_filters?resource=volume')).body.resource_filters.length, 1);
    assert.equal((await get('/resource_filters?resource=hats')).body.resource_filters.length, 0);
    assert.equal((await get('/resource_filters', { version: 32 })).status, 404);
    const { extensions } = (await get('/extensions', { as: 'member' })).body;
    for (const { alias } of extensions)
      assert.equal((await get(`/extensions/${alias}`)).body.extension.alias, alias);
    for (const alias of ['consistencygroups', 'cgsnapshots'])
      assert.equal((await get(`/extensions/${alias}`)).status, 200);
    assert.equal((await get('/extensions/hats')).status, 404);
  });

  it('judges a request about what could be managed in the order of Cinder', async () => {
    for (const [query, message] of [
      ['host=nowhere&limit=-1', 'limit param must be positive'],
      ['host=nowhere&offset=-1', 'offset must be >= 0'],
      ['host=nowhere&sort=colour', 'Invalid sort keys passed: colour'],
      ['host=nowhere&sort=size:up', 'Invalid sort dirs passed: up'],
      ['host=nowhere%40a%23b', 'Service cinder-volume could not be found on host nowhere@a.'],
      ['cluster=c', 'Service cinder-volume could not be found.'],
    ])
      for (const path of ['/manageable_volumes', '/manageable_snapshots/detail']) {
        const { body } = await get(`${path}?${query}`);
        assert.equal((body.badRequest ?? body.itemNotFound)?.message, message, path);
      }
    for (const [volume, message] of [
      [{}, 'Invalid input received: One and only one of cluster and host must be set.'],
      [
        { host: 'nowhere', volume_type: 'none' },
        "Invalid volume type: Cannot find requested 'none' volume type",
      ],
      [{ cluster: 'c' }, "Cluster 'c' not found"],
      [{ host: 'nowhere' }, "Host 'nowhere' not found"],
      [{ host: POOL }, /invalid backend reference/],
    ] as const)
      for (const ref of [{}, { name: 'x' }, { 'source-name': 'x', 'source-id': 'y' }]) {
        const body = { volume: { ...volume, ref } };
        const answer = await api.call('POST', '/manageable_volumes', { as: 'admin', body });
        assert.equal(answer.status, 400);
        if (typeof message === 'string') assert.equal(answer.body.badRequest.message, message);
        else assert.match(answer.body.badRequest.message, message);
      }
  });

  it('manages nothing on a back end that is disabled, nor for a type that encrypts', async () => {
    const made = await api.call('POST', '/types', { as: 'admin', body: { volume_type: { name: 'secret' } } });
    const record = {
      provider: 'luks',
      control_location: 'front-end',
      cipher: 'aes-xts-plain64',
      key_size: 256,
    };
    const path = `/types/${made.body.volume_type.id}/encryption`;
    assert.equal((await api.call('POST', path, { as: 'admin', body: { encryption: record } })).status, 200);
    const manage = (more: object, version = 71) =>
      api.call('POST', '/manageable_volumes', {
        as: 'admin',
        version,
        body: { volume: { host: POOL, ref: { 'source-name': 'x' }, ...more } },
      });
    assert.equal(
      (await manage({ volume_type: 'secret', host: 'nowhere' })).body.badRequest.message,
      'Managing to an encrypted volume type is not supported.',
    );
    assert.match(
      (await manage({ cluster: null }, 15)).body.badRequest.message,
      /Additional properties are not allowed \('cluster' was unexpected\)$/,
    );
    for (const [more, message] of [
      [{ size: 1 }, /'size' was unexpected/],
      [{ host: 'a b' }, /^Invalid input for field\/attribute host\. Value: a b\. 'a b' does not match /],
      [{ name: 'n'.repeat(256) }, /^Invalid input for field\/attribute name\. .* is too long$/],
      [{ description: 'a\u0007' }, /^Invalid input for field\/attribute description\. /],
      [{ bootable: null }, /^Invalid input for field\/attribute bootable\. /],
    ] as const)
      assert.match((await manage(more)).body.badRequest.message, message);
    const service = { host: BACKEND, binary: 'cinder-volume' };
    assert.equal((await put('/os-services/disable', service)).status, 200);
    for (const { status, body } of [
      await manage({}),
      await get(`/manageable_volumes?host=${encodeURIComponent(POOL)}`),
    ])
      assert.deepEqual([status, body.badRequest?.message], [400, 'Service is unavailable at this time.']);
    assert.equal((await put('/os-services/enable', service)).status, 200);
  });

  it('manages nothing where its type has no volumes', async () => {
    const extra_specs = { 'RESKEY:availability_zones': 'mars,venus' };
    const made = await api.call('POST', '/types', {
      as: 'admin',
      body: { volume_type: { name: 'far', extra_specs } },
    });
    const volume = { host: POOL, volume_type: made.body.volume_type.id, ref: { 'source-name': 'x' } };
    const { status, body } = await api.call('POST', '/manageable_volumes', { as: 'admin', body: { volume } });
    assert.equal(status, 400);
    assert.equal(
      body.badRequest.message,
      "Volume type is only supported in these availability zones: ['mars', 'venus']",
    );
  });

  it('has no clusters', async () => {
    assert.deepEqual((await get('/clusters')).body, { clusters: [] });
    assert.deepEqual((await get('/clusters/detail?is_up=true')).body, { clusters: [] });
    assert.equal((await get('/clusters?hats=1')).status, 400);
    assert.equal((await get('/clusters?frozen=1', { version: 25 })).status, 400);
    assert.equal((await get('/clusters?is_up=maybe')).status, 400);
    assert.equal(
      (await get("/clusters/it's")).body.itemNotFound.message,
      `Cluster {'binary': 'cinder-volume', 'name': "it's"} could not be found.`,
    );
    assert.equal((await put('/clusters/enable', { name: 'c' })).status, 404);
    assert.equal((await get('/clusters', { version: 6 })).status, 404);
  });

  it('lets nobody else do any of it', async () => {
    for (const path of [
      '/os-services',
      '/os-hosts',
      `/capabilities/${BACKEND}`,
      '/clusters',
      '/scheduler-stats/get_pools',
    ])
      assert.equal((await api.call('GET', path.replace('@', '%40'))).status, 403, path);
    assert.equal((await api.call('POST', '/workers/cleanup', { body: {} })).status, 403);
  });
});

describe('workers/cleanup', () => {
  it('has others take up what a conductor that is gone has left', async () => {
    await using api = await startApi();
    const clean = (body: object) => api.call('POST', '/workers/cleanup', { as: 'admin', body });
    const { body } = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    const long = sqlTime(Date.now() - 3_600_000);
    for (const [binary, host] of [
      ['blockyard-conductor', 'dead'],
      ['blockyard-storage', 'stor9@files'],
    ] as const) {
      await api.db
        .insertInto('services')
        .values({
          binary,
          host,
          agent: host.split('@')[0] as never,
          availability_zone: 'nova',
          disabled_reason: null,
          version: 'test',
          boot_id: 'boot',
          details: '{}',
          last_seen_at: long,
          updated_at: null,
        })
        .execute();
    }
    await api.db
      .updateTable('operations')
      .set({ owner: 'dead/boot', state: 'running', created_at: long })
      .execute();
    const answer = await clean({});
    assert.equal(answer.status, 202);
    assert.deepEqual(
      answer.body.cleaning.map(({ host, binary }: { host: string; binary: string }) => [host, binary]),
      [['dead', 'cinder-scheduler']],
    );
    assert.deepEqual(
      answer.body.unavailable.map(({ host }: { host: string }) => host),
      ['stor9@files'],
    );
    const row = await api.db.selectFrom('operations').select('owner').executeTakeFirstOrThrow();
    assert.equal(row.owner, null);
    assert.equal((await clean({ resource_id: body.volume.id, resource_type: 'volume' })).status, 202);
    assert.equal((await clean({ resource_id: '00000000-0000-4000-8000-000000000000' })).status, 400);
    assert.equal((await clean({ resource_type: 'hat' })).status, 400);
    assert.equal((await clean({ binary: 'hat' })).status, 400);
    assert.deepEqual((await clean({ host: 'stor9@files' })).body.cleaning, []);
  });
});
