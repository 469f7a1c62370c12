import { sql } from 'kysely';
import type { App, RequestContext } from '#api/http/context.ts';
import { invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { freeOrphans, type SweeperDeps, unattended } from '#queues/conductor/sweeper.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { CINDER_BINARIES, ourBinary } from '#schema/services.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { ServiceRow } from '../services/find.ts';
import { isUp } from '../services/handlers.ts';

/** Which services, and of what: everything that is not named is meant. */
export interface Wanted {
  readonly cluster_name?: string | null | undefined;
  readonly host?: string | null | undefined;
  readonly service_id?: number | null | undefined;
  readonly is_up?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  readonly binary?: string | undefined;
  readonly resource_type?: string | null | undefined;
  readonly resource_id?: string | null | undefined;
}

const RESOURCES = ['Volume', 'Snapshot'] as const;

/**
 * Takes operations from conductors that are gone and has the others work on them at once, as well as on those that nobody
 * works on, which conductors otherwise find themselves within seconds. What waits for a host that is down goes on waiting:
 * its services are `unavailable`.
 */
export async function cleanUp(context: RequestContext, wanted: Wanted): Promise<Reply> {
  const { app } = context;
  const type = (wanted.resource_type ?? '').toLowerCase();
  if (type !== '' && !RESOURCES.some((name) => name.toLowerCase() === type)) {
    throw invalidInput(`Resource type ${title(type)} not valid, must be ${RESOURCES.join(' or ')}`);
  }
  const located = wanted.service_id != null || wanted.cluster_name != null || wanted.host != null;
  if (wanted.resource_id != null && !located && !(await isPending(app, wanted.resource_id))) {
    throw invalidInput(`There is no resource with UUID ${wanted.resource_id} pending cleanup.`);
  }
  const services = await servicesFor(context, wanted);
  const canBe = (row: ServiceRow): boolean => row.binary === 'blockyard-conductor' || isUp(row, app.clock);
  await resume(app);
  return {
    status: 202,
    body: {
      cleaning: services.filter(canBe).map(view),
      unavailable: services.filter((row) => !canBe(row)).map(view),
    },
  };
}

/** As Python's `title` writes it. */
function title(text: string): string {
  return text.replace(/\p{L}+/gu, (word) => `${word[0]?.toUpperCase()}${word.slice(1)}`);
}

function view(row: ServiceRow) {
  return { id: row.id, host: row.host, binary: CINDER_BINARIES[row.binary], cluster_name: null };
}

async function servicesFor({ app }: RequestContext, wanted: Wanted): Promise<ServiceRow[]> {
  if (wanted.cluster_name != null) return [];
  const rows = await app.db.selectFrom('services').selectAll().orderBy('id').execute();
  return rows.filter(
    (row) =>
      row.binary !== 'blockyard-compute' &&
      (wanted.host == null || row.host === wanted.host || row.agent === wanted.host) &&
      (wanted.service_id == null || row.id === wanted.service_id) &&
      (wanted.binary === undefined || row.binary === ourBinary(wanted.binary)) &&
      (wanted.disabled === undefined || (row.disabled === 1) === wanted.disabled) &&
      isUp(row, app.clock) === (wanted.is_up ?? false),
  );
}

/** Something is under way for the volume or the snapshot. */
async function isPending({ db }: App, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('operations')
    .select('id')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .where((where) =>
      where.or([
        where('volume_id', '=', id as never),
        where(sql`JSON_VALUE(input, '$.snapshotId')`, '=', id as never),
      ]),
    )
    .executeTakeFirst();
  return row !== undefined;
}

async function resume({ db, clock, ids, operations }: App): Promise<void> {
  // No operation is this process's own.
  const sweeper: SweeperDeps = {
    db,
    clock,
    host: asId<HostName>('api'),
    bootId: ids.uuid(),
    version: '',
    availabilityZone: '',
  };
  await freeOrphans(sweeper, new Set());
  for (const { id } of await unattended(sweeper)) operations.submit(id);
}
