import assert from 'node:assert/strict';
import {
  asId,
  type BackupId,
  type OperationId,
  type ProjectId,
  type UserId,
  type VolumeId,
} from '#schema/ids.ts';
import type { OperationState } from '#schema/states.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi, type Who } from '../support/api.ts';

const OPERATIONS = [
  ['volume.create', 'undone', 'No storage backend can take the volume. stor1@files#files: it is full.'],
  ['volume.create', 'undone', 'lvcreate failed'],
  ['volume.extend', 'undone', 'no room'],
  ['snapshot.create', 'undone', 'no room'],
  ['snapshot.delete', 'stuck', 'busy'],
  ['volume.delete', 'done', null],
] as const satisfies readonly [string, OperationState, string | null][];

interface Message {
  readonly id: string;
  readonly event_id: string;
  readonly user_message: string;
  readonly resource_type: string;
  readonly resource_uuid: string;
}

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

describe('messages', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
    const rows = [...OPERATIONS, ['volume.extend', 'undone', 'of another'] as const];
    await api.db
      .insertInto('operations')
      .values(
        rows.map(([kind, state, error], n) => ({
          id: asId<OperationId>(uuid(n)),
          kind,
          state,
          project_id: asId(n < OPERATIONS.length ? PROJECT : OTHER_PROJECT),
          user_id: asId('max'),
          request_id: `req-${uuid(100 + n)}`,
          volume_id: asId(uuid(200 + n)),
          attachment_id: null,
          input: JSON.stringify({ snapshotId: uuid(300 + n) }),
          owner: null,
          seq_base: n,
          traceparent: null,
          error,
          created_at: `2026-01-01 00:00:0${n}.000000`,
          started_at: null,
          ended_at: null,
        })),
      )
      .execute();
  });
  after(() => api[Symbol.asyncDispose]());

  const get = (query = '', options: { version?: number; as?: Who } = {}): Promise<Answer> =>
    api.call('GET', `/messages${query}`, options);
  const ids = async (query = '', options: { version?: number; as?: Who } = {}): Promise<string[]> => {
    const { status, body } = await get(query, options);
    assert.equal(status, 200, JSON.stringify(body));
    return body.messages.map(({ id }: Message) => id);
  };

  it('say what failed in Cinder’s words, of what, newest first', async () => {
    const { messages } = (await get()).body;
    assert.deepEqual(
      messages.map(({ event_id, resource_type, resource_uuid, user_message }: Message) => [
        event_id,
        resource_type,
        resource_uuid,
        user_message,
      ]),
      [
        [
          'VOLUME_VOLUME_SNAPSHOT_010_016',
          'VOLUME_SNAPSHOT',
          uuid(304),
          'delete snapshot:Snapshot failed to delete. snapshot.delete, handed to an administrator: busy',
        ],
        [
          'VOLUME_VOLUME_SNAPSHOT_009_013',
          'VOLUME_SNAPSHOT',
          uuid(303),
          'create snapshot:Snapshot failed to create. snapshot.create: no room',
        ],
        [
          'VOLUME_VOLUME_007_010',
          'VOLUME',
          uuid(202),
          'extend volume:Volume Driver failed to extend volume. volume.extend: no room',
        ],
        [
          'VOLUME_VOLUME_008_012',
          'VOLUME',
          uuid(201),
          'create volume from backend storage:Driver failed to create the volume. volume.create: lvcreate failed',
        ],
        [
          'VOLUME_VOLUME_001_003',
          'VOLUME',
          uuid(200),
          `schedule allocate volume:Could not find any available weighted backend. volume.create: ${OPERATIONS[0][2]}`,
        ],
      ],
    );
    const { message } = (await get(`/${uuid(2)}`)).body;
    assert.deepEqual([message.message_level, message.request_id], ['ERROR', `req-${uuid(102)}`]);
    assert.equal(message.guaranteed_until, '2026-01-31T00:00:02.000000');
    assert.equal((await get(`/${uuid(2)}`, { as: 'stranger' })).status, 404);
    assert.equal((await get(`/${uuid(5)}`)).status, 404, 'that went well');
    assert.deepEqual(await ids('', { as: 'stranger' }), [uuid(6)]);
    assert.equal((await ids('', { as: 'admin' })).length, 6);
  });

  it('exist from 3.3; can be filtered and paged from 3.5', async () => {
    assert.equal((await get('', { version: 2 })).status, 404);
    assert.equal((await ids('?limit=1', { version: 4 })).length, 5);
    assert.equal((await ids('?limit=1', { version: 5 })).length, 1);
    assert.equal((await get('?colour=blue', { version: 30 })).status, 200);
    assert.deepEqual(await ids('?colour=blue', { version: 30 }), []);
    assert.equal((await ids('?sort=message_level')).length, 5);
    const refused = await get('?colour=blue&size=1', { version: 31 });
    assert.equal(refused.body.badRequest.message, 'Invalid filters colour,size are found in query options.');
    assert.deepEqual(await ids('?colour=blue', { as: 'admin' }), []);
    for (const [query, found] of [
      [`resource_uuid=${uuid(202)}`, [2]],
      [`resource_uuid=${uuid(303)}`, [3]],
      ['resource_type=VOLUME_SNAPSHOT', [4, 3]],
      ['resource_type=nothing', []],
      ['event_id=VOLUME_VOLUME_001_003', [0]],
      ['event_id=VOLUME_VOLUME_008_012', [1]],
      ['event_id=VOLUME_VOLUME_007_010', [2]],
      ['event_id=x', []],
      [`request_id=req-${uuid(102)}`, [2]],
      [`request_id~=${uuid(102).slice(-4)}`, [2]],
      ['message_level=ERROR&resource_type=VOLUME', [2, 1, 0]],
      ['message_level=INFO', []],
      ['sort=created_at:asc&limit=2', [0, 1]],
      ['sort=event_id:asc,created_at:desc&offset=1&limit=2', [4, 1]],
    ] as const) {
      assert.deepEqual(await ids(`?${query}`), found.map(uuid), query);
    }
  });

  it('come page by page', async () => {
    const paged: string[] = [];
    let next: string | undefined = '/messages?limit=2&sort=event_id:desc';
    while (next !== undefined) {
      const { body }: Answer = await api.call('GET', next);
      paged.push(...body.messages.map(({ id }: Message) => id));
      const link: string | undefined = body.messages_links?.[0].href;
      next = link?.slice(link.indexOf('/messages'));
    }
    assert.deepEqual(paged, await ids('?sort=event_id:desc'));
    assert.equal((await get(`?marker=${uuid(77)}`)).status, 404);
  });

  it('of backups are found by the backup, those of restores too', async () => {
    const backup = uuid(400);
    const about = (n: number, kind: 'backup.create' | 'backup.restore') => ({
      id: asId<OperationId>(uuid(n)),
      kind,
      state: 'undone' as const,
      project_id: asId<ProjectId>('of-backups'),
      user_id: asId<UserId>('max'),
      request_id: `req-${uuid(100 + n)}`,
      volume_id: asId<VolumeId>(uuid(200 + n)),
      backup_id: kind === 'backup.create' ? asId<BackupId>(backup) : null,
      attachment_id: null,
      input: JSON.stringify(kind === 'backup.create' ? {} : { backupId: backup }),
      owner: null,
      seq_base: n,
      traceparent: null,
      error: 'no room',
      created_at: `2026-01-01 00:00:${n}.000000`,
      started_at: null,
      ended_at: null,
    });
    await api.db
      .insertInto('operations')
      .values([about(50, 'backup.create'), about(51, 'backup.restore')])
      .execute();
    const { body } = await get(`?resource_uuid=${backup}`, { as: 'admin' });
    assert.deepEqual(
      body.messages.map(({ id, resource_type, resource_uuid }: Message) => [
        id,
        resource_type,
        resource_uuid,
      ]),
      [51, 50].map((n) => [uuid(n), 'VOLUME_BACKUP', backup]),
    );
    await api.db
      .deleteFrom('operations')
      .where('id', 'in', [asId(uuid(50)), asId(uuid(51))])
      .execute();
  });

  it('are deleted by their project; what they are about stays', async () => {
    const path = `/messages/${uuid(3)}`;
    assert.equal((await api.call('DELETE', path, { as: 'stranger' })).status, 404);
    assert.equal((await api.call('DELETE', path, { as: 'reader' })).status, 403);
    assert.equal((await api.call('DELETE', path)).status, 204);
    assert.equal((await api.call('DELETE', path)).status, 404);
    assert.equal((await api.call('GET', path)).status, 404);
    assert.equal((await ids()).length, 4);
    assert.equal((await api.call('GET', `/operations/${uuid(3)}`)).status, 200);
  });
});
