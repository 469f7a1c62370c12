import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type AttachmentId, asId, type PoolName, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi, type Who } from '../support/api.ts';

interface Options {
  readonly as?: Who;
  readonly version?: number;
}

describe('filters of lists, as Cinder judges them', () => {
  let api: TestApi;
  const volumes: VolumeId[] = [];
  const snapshots: SnapshotId[] = [];
  const attachments: AttachmentId[] = [];
  before(async () => {
    api = await startApi();
    for (const [n, pool] of ['stor1@a#x', 'stor1@a#y', 'stor1@b#x', 'stor10@a#x'].entries()) {
      const { body } = await api.call('POST', '/volumes', {
        body: { volume: { size: n + 1, name: `v${n}`, metadata: { n: `${n}` } } },
      });
      volumes.push(body.volume.id);
      await api.db
        .updateTable('volumes')
        .set({
          pool: asId<PoolName>(pool),
          status: n === 0 ? 'error' : 'available',
          bootable: n === 1 ? 1 : 0,
          image_metadata: n === 1 ? JSON.stringify({ os: 'debian' }) : null,
          migration_status: n === 2 ? 'success' : null,
        })
        .where('id', '=', body.volume.id)
        .execute();
      const made = `2026-01-01 00:00:0${n}.000000`;
      const common = { created_at: made, updated_at: null, project_id: asId<never>(PROJECT) };
      snapshots.push(asId(randomUUID()));
      await api.db
        .insertInto('snapshots')
        .values({
          ...common,
          id: snapshots[n]!,
          user_id: asId('max'),
          volume_id: body.volume.id,
          name: `s${n}`,
          description: null,
          size_gib: 1,
          status: 'available',
          metadata: JSON.stringify({ n: `${n}` }),
        })
        .execute();
      attachments.push(asId(randomUUID()));
      await api.db
        .insertInto('attachments')
        .values({
          ...common,
          id: attachments[n]!,
          volume_id: body.volume.id,
          server_id: asId(randomUUID()),
          status: n === 3 ? 'reserved' : 'attached',
          managed: 0,
          mode: 'rw',
          host: `h${n}`,
          mountpoint: null,
          connector: null,
          connection: null,
          initiator: null,
          chap_username: null,
          chap_secret: null,
          attached_at: null,
        })
        .execute();
    }
  });
  after(() => api[Symbol.asyncDispose]());

  async function list(noun: string, query: string, options: Options = {}): Promise<string[]> {
    const { status, body } = await api.call('GET', `/${noun}?${query}`, options);
    assert.equal(status, 200, `${noun}?${query}: ${JSON.stringify(body)}`);
    return body[noun].map(({ id }: { id: string }) => id);
  }
  const some = (ids: readonly string[], ...which: number[]): string[] => which.map((n) => ids[n]!);
  const refused = async (noun: string, query: string, options: Options = {}): Promise<Answer> => {
    const answer = await api.call('GET', `/${noun}?${query}`, options);
    assert.equal(answer.status, 400, `${noun}?${query}`);
    return answer;
  };

  it('volumes', async () => {
    const admin = { as: 'admin' } as const;
    for (const [query, found, options] of [
      ['bootable=True', [1]],
      ['bootable=t', [1]],
      ['bootable=F', [3, 2, 0]],
      ['bootable=anything', [1], { version: 1 }],
      ['bootable=0', [1], { version: 1 }],
      ['bootable=FALSE', [3, 2, 0], { version: 1 }],
      ["glance_metadata={'os': 'debian'}", [1], { version: 4 }],
      ["glance_metadata={'os': 'debian'}", [3, 2, 1, 0], { version: 3 }],
      ['migration_status=success', [2]],
      ['size=2', [1]],
      ['size=x', []],
      ['status=x%C3%A9', []],
      ["metadata={'n': '2'}", [2]],
      ['name~=v', [3, 2, 1, 0]],
      ['name~=v', [], { version: 33, as: 'admin' }],
      ['name~=none', [3, 2, 1, 0], { version: 30, as: 'admin' }],
      ['display_name=v2', [2], admin],
      ['display_name=v2', [3, 2, 1, 0], { version: 30 }],
      ['host=stor1', [2, 1, 0], admin],
      ['host=stor1@a', [1, 0], admin],
      ['host=stor1@a%23y', [1], admin],
      ['colour=blue', [], admin],
      ['colour=blue', [3, 2, 1, 0], { version: 30 }],
      [`all_tenants=1&project_id=${OTHER_PROJECT}`, [], admin],
      ['sort=multiattach:asc,size:desc', [3, 2, 1, 0]],
      ['sort=launched_at:asc', [0, 1, 2, 3]],
      ['sort=volume_type:asc', [0, 1, 2, 3]],
      ['attach_status=attached', [2, 1, 0], admin],
      ['attach_status=detached', [3], admin],
      ['use_quota=true&limit=1', [3], admin],
      ['use_quota=no', [], admin],
      ['size=2.0', [1]],
      // Of a filter that comes twice the last counts; a name that does names nothing.
      ['status=available&status=error', [0]],
      ['name=v1&name=v2', []],
      ['limit=1&limit=2', [], admin],
      ['limit=1&limit=2', [3], { version: 30 }],
      ['with_count=true', [], { as: 'admin', version: 44 }],
      ['with_count=true', [3, 2, 1, 0], { version: 30 }],
    ] as const satisfies readonly (readonly [string, readonly number[], Options?])[]) {
      const label = `${query} ${JSON.stringify(options ?? {})}`;
      assert.deepEqual(await list('volumes', query, options), some(volumes, ...found), label);
    }
    assert.match(
      (await refused('volumes', 'bootable=anything', { version: 2 })).body.badRequest.message,
      /^Invalid input received: 'bootable = anything'$/,
    );
    assert.equal(
      (await refused('volumes', 'colour=blue&taste=sour')).body.badRequest.message,
      'Invalid filters colour,taste are found in query options.',
    );
    assert.equal(
      (await refused('volumes', 'sort=colour')).body.badRequest.message,
      'Invalid input received: Invalid sort key',
    );
    for (const [query, names, options] of [
      ['limit=1&limit=2', 'limit'],
      ['colour=blue&colour=red', 'colour,colour'],
      ['all_tenants=1&all_tenants=1', 'all_tenants'],
      ['with_count=true', 'with_count', { version: 44 }],
    ] as const) {
      assert.equal(
        (await refused('volumes', query, options)).body.badRequest.message,
        `Invalid filters ${names} are found in query options.`,
      );
    }
    assert.equal(
      (await refused('volumes', 'é=x', { as: 'admin' })).body.badRequest.message,
      'Filter keys can only contain ASCII characters.',
    );
    assert.equal(
      (await refused('volumes', 'sort=colour:up')).body.badRequest.message,
      "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.",
    );
    // Sums are of all that there are, as in Cinder.
    const { body } = await api.call('GET', '/volumes/summary?status=error&colour=blue');
    assert.equal(body['volume-summary'].total_count, 4);
  });

  it('times: what any of the comparisons of one says, from the last of each operator', async () => {
    for (const [n, id] of volumes.entries()) {
      await api.db
        .updateTable('volumes')
        .set({ created_at: `2026-01-0${n + 1} 00:00:00.000000` })
        .where('id', '=', id)
        .execute();
    }
    const late = 'gt:2026-01-03T12:00:00';
    for (const [query, found, options] of [
      [`created_at=${late},lt:2026-01-01T12:00:00`, [3, 0]],
      ['created_at=eq:2026-01-01,eq:2026-01-02', [1]],
      [`created_at=${late}&created_at=lt:2026-01-01T12:00:00`, [0]],
      // As in Cinder since 3.31, though 3.60 brought it.
      [`created_at=${late}`, [3], { version: 59 }],
      [`created_at=${late}`, [3, 2, 1, 0], { version: 30 }],
    ] as const satisfies readonly (readonly [string, readonly number[], Options?])[]) {
      assert.deepEqual(await list('volumes', query, options), some(volumes, ...found), query);
    }
  });

  it('snapshots', async () => {
    const admin = { as: 'admin' } as const;
    for (const [query, found, options] of [
      ["metadata={'n': '2'}", [2], { version: 22 }],
      ["metadata={'n': '2'}", [3, 2, 1, 0], { version: 21 }],
      ['metadata=x', []],
      ['availability_zone=nova&name=s1', [1]],
      ['availability_zone=mars', []],
      ['availability_zone=', [3, 2, 1, 0]],
      ['consumes_quota=true&limit=1', [3]],
      ['consumes_quota=false', []],
      ['consumes_quota=true&limit=1', [3], { version: 31 }],
      ['consumes_quota=false', [], { version: 31 }],
      // Before, it is one that administrators alone may ask for, and nobody has.
      ['consumes_quota=false', [3, 2, 1, 0], { version: 30 }],
      ['consumes_quota=true', [], { ...admin, version: 30 }],
      ['sort=volume:asc', [0, 1, 2, 3]],
      ['name~=s', [3, 2, 1, 0]],
      ['host=stor1@b', [2], admin],
      ['display_name=s3', [3], admin],
      ['colour=blue', [], admin],
      [`volume_id=${volumes[1]}`, [1]],
      ['sort=name:asc&offset=2', [2, 3]],
    ] as const satisfies readonly (readonly [string, readonly number[], Options?])[]) {
      const label = `${query} ${JSON.stringify(options ?? {})}`;
      assert.deepEqual(await list('snapshots', query, options), some(snapshots, ...found), label);
    }
    await refused('snapshots', 'id=x');
    // As in Cinder, whose columns have other names.
    for (const key of ['size', 'description']) await refused('snapshots', `sort=${key}`);
    await refused('snapshots', 'sort=name', { version: 29 });
    await refused('volumes', 'sort=description');
    await refused('volume-transfers', 'sort=name');
    await refused('snapshots', 'with_count=true', { version: 44 });
  });

  it('attachments, page by page', async () => {
    const admin = { as: 'admin' } as const;
    const { server_id: server } = await api.db
      .selectFrom('attachments')
      .select('server_id')
      .where('id', '=', attachments[2]!)
      .executeTakeFirstOrThrow();
    for (const [query, found, options] of [
      ['', [3, 2, 1, 0]],
      ['sort=created_at:asc', [0, 1, 2, 3]],
      ['sort=attached_host:asc&limit=2', [0, 1]],
      [`sort=attached_host:asc&limit=2&marker=${attachments[1]}`, [2, 3]],
      ['offset=3', [0]],
      ['limit=0', []],
      [`volume_id=${volumes[1]}`, [1]],
      [`instance_id=${server}`, [2]],
      ['status=reserved', [3]],
      ['attach_status=attached', [2, 1, 0]],
      ['attach_status~=attach', [2, 1, 0]],
      ['attached_host=h1', [1], admin],
      ['all_tenants=1', [3, 2, 1, 0], admin],
      ['all_tenants=1', [], { as: 'stranger' }],
    ] as const satisfies readonly (readonly [string, readonly number[], Options?])[]) {
      assert.deepEqual(await list('attachments', query, options), some(attachments, ...found), query);
    }
    await refused('attachments', 'attached_host=h1');
    await refused('attachments', 'with_count=true');
    for (const key of ['status', 'instance_id']) await refused('attachments', `sort=${key}`);
    await refused('attachments', 'sort=colour');
    const { message } = (await refused('attachments', 'sort=colour&colour=blue')).body.badRequest;
    assert.equal(message, 'Invalid filters colour are found in query options.');
    const marker = await api.call('GET', `/attachments?marker=${randomUUID()}`);
    assert.equal(marker.status, 404);
  });
});
