import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { openDatabase, transact } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import {
  type AttachmentId,
  asId,
  type BackupId,
  type EncryptionKeyId,
  type ImageId,
  type OperationId,
  type PoolName,
  type ServerId,
  type SnapshotId,
  type VolumeId,
  type VolumeTypeId,
} from '#schema/ids.ts';
import type { OperationInputs, OperationKind } from '#schema/operations.ts';
import type { AttachmentStatus, BackupStatus, SnapshotStatus, VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { createDatabase } from './database.ts';
import { createRedis } from './redis.ts';

/** A migrated database with one storage and one compute service in it, and what tests put into it. */
export interface Yard extends AsyncDisposable {
  readonly db: Kysely<Tables>;
  readonly url: string;
  readonly redis: { readonly url: string; readonly prefix: string };
  readonly pool: PoolName;
  readonly server: ServerId;
  readonly gateway: ReturnType<typeof createOperationGateway>;
  /** Another storage backend, of this or another agent, as large as the yard's own. */
  addPool(agent: string, backend: string): Promise<PoolName>;
  addType(extraSpecs: Record<string, string>): Promise<VolumeTypeId>;
  addVolume(status: VolumeStatus, placed: boolean): Promise<VolumeId>;
  /** The yard's server, made through the API and booting, or booted, from this volume. */
  addServer(volume: VolumeId, status: string, taskState: string | null): Promise<void>;
  addAttachment(volume: VolumeId, status: AttachmentStatus, managed: 0 | 1): Promise<AttachmentId>;
  /** `available` ones have taken their room. */
  addSnapshot(volume: VolumeId, status: SnapshotStatus): Promise<SnapshotId>;
  /** One of the volume, in the store `store`. */
  addBackup(volume: VolumeId, status: BackupStatus): Promise<BackupId>;
  /** One that waits for its data. */
  addImage(): Promise<ImageId>;
  /** A key of the built-in manager's; sealed as hosts in memory never ask. */
  addKey(): Promise<EncryptionKeyId>;
  begin<K extends OperationKind>(
    kind: K,
    volume: VolumeId,
    input: OperationInputs[K],
    attachment?: AttachmentId,
    backup?: BackupId,
  ): Promise<OperationId>;
  /** Every row that says what should be, without times, sequence numbers and the operations themselves. */
  state(): Promise<object>;
}

export const SIZE_GIB = 2;
const POOL_GIB = 100;

export async function createYard(): Promise<Yard> {
  const database = await createDatabase();
  const redis = await createRedis();
  const db = openDatabase(database.url);
  await migrate(db);
  const gateway = createOperationGateway({
    db,
    redisUrl: redis.url,
    prefix: redis.prefix,
    clock: systemClock,
    ids: systemIds,
  });
  const server = asId<ServerId>(randomUUID());
  const now = (): string => sqlTime(systemClock.now());
  const addPool = async (agent: string, backend: string): Promise<PoolName> => {
    const host = `${agent}@${backend}`;
    await db
      .insertInto('services')
      .values({
        binary: 'blockyard-storage',
        host,
        agent: asId(agent),
        availability_zone: 'nova',
        disabled_reason: null,
        version: 'test',
        boot_id: 'boot',
        details: '{}',
        last_seen_at: now(),
        updated_at: null,
      })
      .execute();
    const name = asId<PoolName>(`${host}#${backend}`);
    await db
      .insertInto('pools')
      .values({
        name,
        service_host: host,
        agent: asId(agent),
        backend_name: backend,
        availability_zone: 'nova',
        capabilities: '{}',
        total_gib: POOL_GIB,
        free_gib: POOL_GIB,
        reserved_percentage: 0,
        max_over_subscription_ratio: 1,
        thin: 0,
        reported_at: now(),
      })
      .execute();
    return name;
  };
  const pool = await addPool('stor1', 'files');
  await db
    .insertInto('services')
    .values({
      binary: 'blockyard-compute',
      host: 'comp1',
      agent: asId('comp1'),
      availability_zone: 'nova',
      disabled_reason: null,
      version: 'test',
      boot_id: 'boot',
      details: JSON.stringify({
        initiator: 'iqn.2010-10.org.blockyard:host:comp1',
        ip: '127.0.0.1',
        room: { vcpus: 4, memoryMib: 4_096 },
      }),
      last_seen_at: now(),
      updated_at: null,
    })
    .execute();
  return {
    db,
    url: database.url,
    redis,
    pool,
    server,
    gateway,
    addPool,
    async addType(extraSpecs) {
      const id = asId<VolumeTypeId>(randomUUID());
      await db
        .insertInto('volume_types')
        .values({
          id,
          name: `type ${id}`,
          description: null,
          is_public: 1,
          qos_specs_id: null,
          extra_specs: JSON.stringify(extraSpecs),
          created_at: now(),
          updated_at: null,
        })
        .execute();
      return id;
    },
    async addVolume(status, placed) {
      const id = asId<VolumeId>(randomUUID());
      await db
        .insertInto('volumes')
        .values({
          id,
          project_id: asId('p1'),
          user_id: asId('u1'),
          name: 'v',
          description: null,
          size_gib: SIZE_GIB,
          status,
          availability_zone: 'nova',
          pool: placed ? pool : null,
          volume_type_id: null,
          metadata: '{}',
          operation_id: null,
          created_at: now(),
          updated_at: null,
        })
        .execute();
      if (placed) {
        await db
          .updateTable('pools')
          .set((eb) => ({
            allocated_gib: eb('allocated_gib', '+', SIZE_GIB),
            free_gib: eb('free_gib', '-', SIZE_GIB),
            volume_count: eb('volume_count', '+', 1),
          }))
          .where('name', '=', pool)
          .execute();
      }
      return id;
    },
    async addServer(volume, status, taskState) {
      await db
        .insertInto('servers')
        .values({
          id: server,
          host: status === 'BUILD' ? null : asId('comp1'),
          project_id: asId('p1'),
          user_id: asId('u1'),
          name: 's',
          status,
          vcpus: 1,
          memory_mib: 512,
          root_volume_id: volume,
          flavor: '{}',
          task_state: taskState,
          fault: null,
          metadata: '{}',
          created_at: now(),
          updated_at: now(),
        })
        .execute();
    },
    async addAttachment(volume, status, managed) {
      const id = asId<AttachmentId>(randomUUID());
      const connected = status !== 'reserved';
      await db
        .insertInto('attachments')
        .values({
          id,
          volume_id: volume,
          project_id: asId('p1'),
          server_id: server,
          status,
          host: 'comp1',
          managed,
          mountpoint: null,
          mode: 'rw',
          connector: null,
          connection: null,
          initiator: connected ? 'iqn.2010-10.org.blockyard:host:comp1' : null,
          chap_username: connected ? `user-${id}` : null,
          chap_secret: connected ? 'sealed' : null,
          boot_index: null,
          attached_at: null,
          created_at: now(),
          updated_at: null,
        })
        .execute();
      return id;
    },
    async addSnapshot(volume, status) {
      const id = asId<SnapshotId>(randomUUID());
      const reserved = status === 'creating' ? 0 : 1;
      await db
        .insertInto('snapshots')
        .values({
          id,
          project_id: asId('p1'),
          user_id: asId('u1'),
          volume_id: volume,
          name: null,
          description: null,
          size_gib: SIZE_GIB,
          status,
          reserved,
          metadata: '{}',
          created_at: now(),
          updated_at: null,
        })
        .execute();
      await db
        .updateTable('pools')
        .set((eb) => ({
          allocated_gib: eb('allocated_gib', '+', reserved * SIZE_GIB),
          free_gib: eb('free_gib', '-', reserved * SIZE_GIB),
        }))
        .where('name', '=', pool)
        .execute();
      return id;
    },
    async addBackup(volume, status) {
      const id = asId<BackupId>(randomUUID());
      await db
        .insertInto('backups')
        .values({
          id,
          project_id: asId('p1'),
          user_id: asId('u1'),
          volume_id: volume,
          snapshot_id: null,
          parent_id: null,
          name: null,
          description: null,
          size_gib: SIZE_GIB,
          status,
          availability_zone: null,
          container: null,
          host: asId('stor1'),
          store: 'store',
          repository: volume,
          data_id: id,
          fail_reason: null,
          metadata: '{}',
          volume_details: '{}',
          data_timestamp: now(),
          restore_volume_id: null,
          encryption_key_id: null,
          operation_id: null,
          created_at: now(),
          updated_at: null,
        })
        .execute();
      return id;
    },
    async addImage() {
      const id = asId<ImageId>(randomUUID());
      await db
        .insertInto('images')
        .values({
          id,
          project_id: asId('p1'),
          name: 'image',
          status: 'queued',
          visibility: 'private',
          container_format: 'bare',
          disk_format: 'raw',
          size: null,
          virtual_size: null,
          min_disk: 0,
          min_ram: 0,
          protected: 0,
          hidden: 0,
          checksum: null,
          os_hash_algo: null,
          os_hash_value: null,
          upload: null,
          tags: '[]',
          properties: '{}',
          created_at: now(),
          updated_at: now(),
        })
        .execute();
      return id;
    },
    async addKey() {
      const id = asId<EncryptionKeyId>(randomUUID());
      const how = { cipher: 'aes-xts-plain64', key_bits: 256 } as const;
      await db
        .insertInto('encryption_keys')
        .values({ id, project_id: asId('p1'), secret: 'sealed', ...how, created_at: now() })
        .execute();
      return id;
    },
    begin: (kind, volume, input, attachment, backup) =>
      transact(db, (trx) =>
        gateway.begin(trx, {
          kind,
          volumeId: volume,
          ...(attachment === undefined ? {} : { attachmentId: attachment }),
          ...(backup === undefined ? {} : { backupId: backup }),
          projectId: asId('p1'),
          userId: asId('u1'),
          requestId: 'req-test',
          input,
        }),
      ),
    async state() {
      return {
        volumes: await db
          .selectFrom('volumes')
          .select(['id', 'status', 'size_gib', 'pool', 'operation_id', 'encryption_key_id'])
          .orderBy('id')
          .execute(),
        keys: await db.selectFrom('encryption_keys').select(['id']).orderBy('id').execute(),
        attachments: await db
          .selectFrom('attachments')
          .select(['id', 'status', 'initiator', 'chap_username', 'mountpoint'])
          .orderBy('id')
          .execute(),
        servers: await db
          .selectFrom('servers')
          .select(['id', 'host', 'status', 'task_state', 'fault'])
          .orderBy('id')
          .execute(),
        snapshots: await db
          .selectFrom('snapshots')
          .select(['id', 'volume_id', 'status', 'reserved'])
          .orderBy('id')
          .execute(),
        backups: await db
          .selectFrom('backups')
          .select(['id', 'volume_id', 'status', 'operation_id', 'object_count'])
          .orderBy('id')
          .execute(),
        images: await db.selectFrom('images').select(['id', 'status']).orderBy('id').execute(),
        evictions: await db
          .selectFrom('evictions')
          .select(['volume_id', 'server_id', 'host', 'root', 'seq'])
          .execute(),
        pools: await db
          .selectFrom('pools')
          .select(['name', 'allocated_gib', 'free_gib', 'volume_count'])
          .orderBy('name')
          .execute(),
      };
    },
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await db.destroy();
      await database.drop();
    },
  };
}
