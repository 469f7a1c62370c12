import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, truncate, writeFile } from 'node:fs/promises';
import { systemRunner } from '#agent/run.ts';
import { DriftRig, type Json } from './rig.ts';

const GIB = 2 ** 30;

describe('manage and unmanage', function () {
  this.timeout(120_000);
  let rig: DriftRig;
  let host = '';

  before(async () => {
    rig = await DriftRig.start('none');
    const [pool] = await rig.db.selectFrom('pools').select('name').execute();
    host = pool?.name ?? '';
  });
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  const list = async (query = '', path = 'manageable_volumes'): Promise<Json> =>
    (await rig.v3('GET', `/${path}?host=${encodeURIComponent(host)}${query}`)).body;
  const sums = () => rig.db.selectFrom('pools').select(['allocated_gib', 'volume_count']).execute();

  async function file(name: string, sizeBytes: number): Promise<void> {
    await writeFile(rig.file(name), `data of ${name}`);
    await truncate(rig.file(name), sizeBytes);
  }
  async function head(name: string): Promise<string> {
    await using handle = await open(rig.file(name), 'r');
    return (await handle.read(Buffer.alloc(14), 0, 14, 0)).buffer.toString();
  }
  const manage = (name: string, more: object = {}) =>
    rig.v3('POST', '/manageable_volumes', { volume: { host, ref: { 'source-name': name }, ...more } });

  it('takes what lies there for a volume, data and all, and counts it', async () => {
    await file('theirs', GIB + 512 * 2 ** 20);
    assert.deepEqual((await list())['manageable-volumes'], [
      { reference: { 'source-name': 'theirs' }, size: 2, safe_to_manage: true },
    ]);
    const before = await sums();
    const { status, body } = await manage('theirs', { name: 'ours', bootable: true, metadata: { a: 'b' } });
    assert.equal(status, 202, JSON.stringify(body));
    assert.deepEqual(
      [body.volume.size, body.volume.status, body.volume.volume_type],
      [2, 'creating', '__DEFAULT__'],
    );
    const id: string = body.volume.id;
    await rig.volumeIs(id, 'available');
    const { volume } = (await rig.v3('GET', `/volumes/${id}`)).body;
    assert.deepEqual([volume.name, volume.bootable, volume.metadata], ['ours', 'true', { a: 'b' }]);
    assert.match(await head(`volume-${id}`), /^data of theirs/);
    assert.ok(!existsSync(rig.file('theirs')));
    assert.deepEqual(await sums(), [
      { allocated_gib: before[0]!.allocated_gib + 2, volume_count: before[0]!.volume_count + 1 },
    ]);
    assert.deepEqual(await rig.drift(), []);

    const [told] = (await list('', 'manageable_volumes/detail'))['manageable-volumes'];
    assert.deepEqual(
      [told.safe_to_manage, told.reason_not_safe, told.cinder_id],
      [false, 'already managed', id],
    );
    assert.equal(
      (await manage(`volume-${id}`)).body.badRequest.message,
      'Unable to manage existing volume. The volume is already managed',
    );

    // It is a volume like any other; and it goes as it came.
    await rig.attach(id);
    assert.equal((await rig.v3('POST', `/volumes/${id}/action`, { 'os-unmanage': {} })).status, 400);
    await rig.virsh('destroy', rig.server);
    await rig.call('DELETE', `${rig.serverPath}/os-volume_attachments/${id}`);
    await rig.volumeIs(id, 'available');
    assert.equal((await rig.v3('POST', `/volumes/${id}/action`, { 'os-unmanage': {} })).status, 202);
    await rig.until('404', async () =>
      (await rig.v3('GET', `/volumes/${id}`)).status === 404 ? true : undefined,
    );
    assert.match(await head(`unmanaged-${id}`), /^data of theirs/);
    assert.deepEqual(await sums(), before);
    assert.deepEqual(await rig.drift(), []);
  });

  it('refuses what is open, and gives it back its name', async () => {
    await file('busy', GIB);
    await using held = await open(rig.file('busy'), 'r+');
    const { body } = await manage('busy');
    await rig.volumeIs(body.volume.id, 'error');
    const operations = (await rig.v3('GET', `/operations?volume_id=${body.volume.id}`)).body.operations;
    assert.match(operations[0].error, /process \d+ has busy open/);
    assert.ok(existsSync(rig.file('busy')));
    await held.sync();
    const before = await sums();
    assert.equal((await rig.v3('DELETE', `/volumes/${body.volume.id}`)).status, 202);
    await rig.until('404', async () =>
      (await rig.v3('GET', `/volumes/${body.volume.id}`)).status === 404 ? true : undefined,
    );
    assert.ok(existsSync(rig.file('busy')), 'deleting it has removed no data');
    assert.deepEqual(await sums(), before);
  });

  it('lists in pages, sorted, and says what is wrong with a request', async () => {
    for (const [name, gib] of [
      ['a', 3],
      ['b', 1],
      ['c', 2],
      ['busy', 1],
    ] as const)
      await file(name, gib * GIB);
    const names = (body: Json): string[] =>
      body['manageable-volumes'].map((each: Json) => each.reference['source-name']);
    const sorted = names(await list('&sort=size:desc'));
    assert.equal(sorted[0], 'a');
    assert.ok(sorted.indexOf('c') < sorted.indexOf('b'));
    const first = await list('&sort=reference:asc&limit=2');
    assert.deepEqual(names(first), ['a', 'b']);
    assert.deepEqual(Object.keys(first), ['manageable-volumes']);
    const json = encodeURIComponent('{"source-name": "b"}');
    assert.deepEqual(names(await list(`&sort=reference:asc&limit=2&marker=${json}`)), ['busy', 'c']);
    assert.deepEqual(names(await list('&limit=1&offset=1&sort_dir=asc')), ['b']);
    assert.deepEqual(names(await list()), names(await list('&sort=reference:desc')));
    const marker = encodeURIComponent("{'source-name': 'busy'}");
    assert.equal(names(await list(`&sort=reference:asc&limit=1&marker=${marker}`))[0], 'c');
    for (const [query, message] of [
      ['&sort=name,size,age:up', 'Invalid sort keys passed: name, age'],
      [
        '&sort=size&sort_dir=asc',
        "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
      ],
      [
        '&marker=nothing',
        'Invalid input received: marker nothing can not be analysed, please use json like format',
      ],
      [
        `&marker=${'['.repeat(6_000)}${']'.repeat(6_000)}`,
        `Invalid input received: marker ${'['.repeat(255)} can not be analysed, please use json like format`,
      ],
      [
        '&marker={"source-name":"nothing"}',
        "Invalid input received: marker not found: {'source-name': 'nothing'}",
      ],
    ] as const)
      assert.equal((await list(query)).badRequest.message, message);
    const one = 'Invalid input received: One and only one of cluster and host must be set.';
    assert.equal((await rig.v3('GET', '/manageable_volumes')).body.badRequest.message, one);
    assert.equal(
      (await rig.v3('GET', '/manageable_volumes?host=nowhere')).body.itemNotFound.message,
      'Service cinder-volume could not be found on host nowhere.',
    );
    for (const [more, message] of [
      [{ host: 'nowhere' }, "Host 'nowhere' not found"],
      [{ cluster: 'all' }, one],
      [{ volume_type: 'none' }, "Invalid volume type: Cannot find requested 'none' volume type"],
    ] as const)
      assert.equal((await manage('b', more)).body.badRequest.message, message);
    assert.equal((await manage('missing')).status, 400);
    assert.equal((await manage('../../etc/passwd')).status, 400);
  });

  it('is what the stock client asks for', async () => {
    const { stack } = rig;
    const endpoint = `${stack.apiUrl}/v3/${stack.project}`;
    const common = ['--os-auth-type', 'noauth', '--os-endpoint', endpoint, '--os-volume-api-version', '3.50'];
    const cinder = (...args: string[]) =>
      systemRunner.run('/usr/bin/cinder', [...common, ...args], {
        timeoutMs: 60_000,
        env: {
          OS_USER_ID: 'operator',
          OS_PROJECT_ID: stack.project,
          // What its plugin for this kind of authentication reads, spelt so.
          Cinder_USER_ID: 'operator',
          Cinder_PROJECT_ID: stack.project,
        },
      });
    if (!existsSync('/usr/bin/cinder')) return;
    assert.match((await cinder('manageable-list', host, '--detailed', 'True')).stdout, /source-name.*\bc\b/);
    const { stdout } = await cinder('manage', '--name', 'adopted', '--bootable', host, 'c');
    const id = /\| id +\| (\S+)/.exec(stdout)?.[1] ?? '';
    await rig.volumeIs(id, 'available');
    await cinder('unmanage', id);
    await rig.until('404', async () =>
      (await rig.v3('GET', `/volumes/${id}`)).status === 404 ? true : undefined,
    );
    assert.ok(existsSync(rig.file(`unmanaged-${id}`)));
    assert.match((await cinder('manageable-list', host)).stdout, new RegExp(`unmanaged-${id}`));
  });
});
