import type { App, RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, isUuid, type VolumeId, type VolumeTypeId } from '#schema/ids.ts';
import type { VolumeRow } from './rows.ts';
import type { NewVolume } from './schema.ts';
import { detailView } from './view.ts';

/** Writes the volume and its operation in one transaction; a 202 means that both are committed. */
export async function createVolume(context: RequestContext, body: { volume: NewVolume }): Promise<Reply> {
  const { app, caller } = context;
  const { volume } = body;
  const size = checkRequest(context, volume);
  const type = await findType(context, volume.volume_type);
  const zone = await checkZone(app, volume.availability_zone);
  const row: VolumeRow = {
    id: asId<VolumeId>(app.ids.uuid()),
    project_id: caller.projectId,
    user_id: caller.userId,
    name: volume.name ?? volume.display_name ?? null,
    description: volume.description ?? volume.display_description ?? null,
    size_gib: size,
    status: 'creating',
    availability_zone: zone,
    pool: null,
    volume_type_id: type?.id ?? null,
    type_name: type?.name ?? null,
    bootable: 0,
    multiattach: type?.multiattach ? 1 : 0,
    metadata: JSON.stringify(volume.metadata ?? {}),
    operation_id: null,
    source_volume_id: null,
    snapshot_id: null,
    image_metadata: null,
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
  const { type_name: _, ...values } = row;
  const operation = await transaction(app.db, async (tx) => {
    tx.later(tx.q.insertInto('volumes').values(values));
    return app.operations.begin(tx, {
      kind: 'volume.create',
      volumeId: row.id,
      projectId: row.project_id,
      userId: row.user_id,
      requestId: context.requestId,
      input: {},
    });
  }).catch((error: unknown) => {
    // The type was deleted since it was looked up.
    throw isDangling(error) ? noSuchType(type?.name ?? '') : error;
  });
  app.operations.submit(operation);
  return { status: 202, body: { volume: detailView(context, row, []) } };
}

const SOURCES = [
  'snapshot_id',
  'source_volid',
  'backup_id',
  'image_id',
  'imageRef',
  'consistencygroup_id',
  'group_id',
] as const;

/** Fields of the request beyond which 3.53 refuses any other. */
const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'description',
  'display_name',
  'display_description',
  'size',
  'volume_type',
  'metadata',
  'availability_zone',
  'multiattach',
  ...SOURCES,
]);

/** @returns the size in GiB. */
function checkRequest(context: RequestContext, volume: NewVolume): number {
  const unknown = context.microversion >= 53 ? Object.keys(volume).find((key) => !KNOWN.has(key)) : undefined;
  if (unknown !== undefined) {
    throw badRequest(
      `Invalid input for field/attribute volume. Additional properties are not allowed ('${unknown.slice(0, 100).toWellFormed()}' was unexpected)`,
    );
  }
  const source = SOURCES.find((key) => (volume[key] ?? '') !== '');
  if (source !== undefined) throw badRequest(`Creating a volume with ${source} is not supported yet.`);
  if (volume.multiattach === true) {
    throw badRequest(
      'multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types.',
    );
  }
  if (volume.size === undefined || volume.size === null) {
    throw invalidInput(
      'Invalid volume size provided for create request: None (size argument must be an integer (or string representation of an integer) and greater than zero).',
    );
  }
  return volume.size;
}

interface ChosenType {
  readonly id: VolumeTypeId;
  readonly name: string;
  readonly multiattach: boolean;
}

async function findType(
  { app: { db }, caller }: RequestContext,
  wanted: string | null | undefined,
): Promise<ChosenType | undefined> {
  if (wanted === undefined || wanted === null || wanted === '') return undefined;
  const query = db.selectFrom('volume_types').select(['id', 'name', 'is_public', 'extra_specs']);
  const byId = isUuid(wanted)
    ? await query.where('id', '=', asId<VolumeTypeId>(wanted.toLowerCase())).executeTakeFirst()
    : undefined;
  const type = byId ?? (await query.where('name', '=', wanted).executeTakeFirst());
  if (type === undefined || (type.is_public === 0 && !caller.isAdmin)) throw noSuchType(wanted);
  const specs = JSON.parse(type.extra_specs) as Record<string, string>;
  return { id: type.id, name: type.name, multiattach: specs['multiattach'] === '<is> True' };
}

function noSuchType(wanted: string): ApiError {
  return new ApiError(404, `Volume type with name ${wanted} could not be found.`);
}

/** A zone exists when it is the default one or some service is in it. */
async function checkZone(app: App, zone: string | null | undefined): Promise<string> {
  if (zone === undefined || zone === null || zone === app.defaultAvailabilityZone) {
    return app.defaultAvailabilityZone;
  }
  const service = await app.db
    .selectFrom('services')
    .select('id')
    .where('availability_zone', '=', zone)
    .limit(1)
    .executeTakeFirst();
  if (service === undefined) throw invalidInput(`Availability zone '${zone}' is invalid.`);
  return zone;
}
