import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import { asId, type PoolName, type ProjectId, type UserId, type VolumeTypeId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

export interface Wanted {
  readonly volumes: number;
  readonly projects: number;
  /** Has a fifth of all volumes; the others share the rest evenly. */
  readonly largest: string;
}

const BATCH = 1_000;
const TYPES = 20;
const POOLS = 50;
/** Days over which everything was made. */
const DAYS = 700;

/** A yard that has grown: volumes, a snapshot of each fifth, an attachment of each tenth, the operation that made each. */
export async function fill(db: Kysely<Tables>, { volumes, projects, largest }: Wanted): Promise<void> {
  const types = Array.from({ length: TYPES }, () => asId<VolumeTypeId>(randomUUID()));
  const oldest = Date.now() - DAYS * 86_400_000;
  const times = { created_at: sqlTime(oldest), updated_at: null };
  await db
    .insertInto('volume_types')
    .values(
      types.map((id, index) => ({
        id,
        name: `type-${index}`,
        description: null,
        is_public: 1 as const,
        qos_specs_id: null,
        extra_specs: '{}',
        ...times,
      })),
    )
    .execute();
  for (let from = 0; from < volumes; from += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, volumes - from) }, (_, offset) => {
      const index = from + offset;
      const project = index % 5 === 0 ? largest : `project-${index % (projects - 1)}`;
      return {
        id: asId<Tables['volumes']['id']>(randomUUID()),
        project_id: asId<ProjectId>(project),
        user_id: asId<UserId>('bench'),
        name: `volume-${(index * 7_919) % volumes}`,
        description: `the ${index}th of them`,
        size_gib: 1 + (index % 500),
        status: statusOf(index),
        availability_zone: 'nova',
        pool: asId<PoolName>(`stor${index % POOLS}@lvm#lvm`),
        volume_type_id: types[index % TYPES] ?? null,
        metadata: JSON.stringify({ tier: `t${index % 7}`, owner: `team-${index % 97}` }),
        operation_id: null,
        source_volume_id: null,
        snapshot_id: null,
        image_metadata: null,
        created_at: sqlTime(oldest + Math.floor((index / volumes) * DAYS * 86_400_000)),
        updated_at: sqlTime(oldest + Math.floor((index / volumes) * DAYS * 86_400_000) + 5_000),
      };
    });
    await db.insertInto('volumes').values(rows).execute();
  }
  await derive(db);
  await sql`ANALYZE TABLE volumes, snapshots, attachments, operations`.execute(db);
}

function statusOf(index: number): 'available' | 'in-use' | 'error' {
  if (index % 1_000 === 999) return 'error';
  return index % 10 === 3 ? 'in-use' : 'available';
}

async function derive(db: Kysely<Tables>): Promise<void> {
  await sql`INSERT INTO snapshots (id, project_id, user_id, volume_id, name, description, size_gib, status, metadata, created_at)
    SELECT UUID(), project_id, user_id, id, CONCAT('of-', name), NULL, size_gib, 'available', '{}', created_at
    FROM volumes WHERE number % 5 = 1`.execute(db);
  await sql`INSERT INTO attachments (id, volume_id, project_id, server_id, status, host, managed, mode, attached_at, created_at)
    SELECT UUID(), id, project_id, UUID(), 'attached', CONCAT('comp', number % 40), 0, 'rw', created_at, created_at
    FROM volumes WHERE status = 'in-use'`.execute(db);
  await sql`INSERT INTO operations (id, kind, state, project_id, user_id, request_id, volume_id, input, epoch, seq_base,
      created_at, started_at, ended_at)
    SELECT UUID(), 'volume.create', 'done', project_id, user_id, 'req-bench', id, '{}', 1, 0, created_at, created_at, created_at
    FROM volumes`.execute(db);
}
