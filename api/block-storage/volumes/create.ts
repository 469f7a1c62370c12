import type { App, RequestContext } from '#api/http/context.ts';
import {
  ApiError,
  badRequest,
  conflict,
  generalComplaint,
  invalidInput,
  invalidVolume,
  notFound,
} from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { readSpecs } from '#queues/placement/extra-specs.ts';
import { LostRow, type Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type OperationId, type VolumeId, type VolumeTypeId } from '#schema/ids.ts';
import { joinGroup, type Membership } from '../groups/join.ts';
import { charged } from '../quotas/charge.ts';
import { type Charge, volumeCharge } from '../quotas/charges.ts';
import { mayUse, type NamedType, namedTypeMissing, readTypeByNameOrId, stillPlain } from '../types/rows.ts';
import { checkSizeFor } from '../types/size-limits.ts';
import { encryptionOf, type VolumeEncryption } from '../types/volume-encryption.ts';
import { unexpected } from '../versioned-body.ts';
import { keyFor } from './encryption.ts';
import type { VolumeRow } from './rows.ts';
import type { NewVolume } from './schema.ts';
import { findSource, type Source } from './source.ts';
import { detailView } from './view.ts';
import { chooseZones } from './zones.ts';

/** Writes the volume and its operation in one transaction; a 202 means that both are committed. */
export async function createVolume(context: RequestContext, body: { volume: NewVolume }): Promise<Reply> {
  const { app } = context;
  const prepared = await prepareVolume(context, body.volume);
  const operation = await charged(context, [prepared.charge], (tx) => prepared.write(tx)).catch(
    (error: unknown) => {
      throw prepared.refusal(error) ?? typeChanged(app, error) ?? error;
    },
  );
  app.operations.submit(operation);
  return { status: 202, body: { volume: detailView(context, prepared.row, []) } };
}

/** What a client is told when nothing else explains a lost row: the type has been given an encryption record. */
export function typeChanged({ defaultTypes }: App, error: unknown): ApiError | undefined {
  if (!(error instanceof LostRow)) return undefined;
  defaultTypes.forget();
  return conflict('The volume type has changed meanwhile; try again.');
}

/** A volume that can be made as it was asked for. */
export interface PreparedVolume {
  readonly row: VolumeRow;
  /** What it takes of the project's quotas. */
  readonly charge: Charge;
  /**
   * Makes it, and begins `volume.create`, in the caller's transaction.
   * @param awaited an attachment to it comes into being in the same transaction.
   */
  readonly write: (tx: Tx, awaited?: boolean) => Promise<OperationId>;
  /** What a client is told when that transaction failed with this; undefined when the volume is not the reason. */
  readonly refusal: (error: unknown) => ApiError | undefined;
}

/**
 * Checks what is asked for.
 * @param membership of a group that is made with it; otherwise the request says whether there is one.
 * @throws ApiError 400 or 404
 */
export async function prepareVolume(
  context: RequestContext,
  volume: NewVolume,
  membership?: Membership,
): Promise<PreparedVolume> {
  const { app, caller } = context;
  checkRequest(context, volume);
  const group =
    membership ??
    (await joinGroup(context, volume.group_id ?? volume.consistencygroup_id, volume.volume_type));
  const source = await findSource(context, volume);
  const size = chooseSize(volume, source);
  const type = await findType(context, volume.volume_type || source?.type, source?.origin);
  if (type !== undefined) checkSizeFor(type.name, type.specs, size);
  if (source?.origin !== undefined) await checkType(app, type, source.origin);
  const zones = await chooseZones(app, {
    zone: volume.availability_zone,
    groupZone: group?.availabilityZone,
    origin: source?.origin,
    copied: source?.columns.snapshot_id == null ? 'source volume' : 'snapshot',
    specs: type?.specs ?? {},
  });
  const id = asId<VolumeId>(app.ids.uuid());
  const key = await keyFor(context, id, type?.encryption ?? null, source);
  if (key !== null && type?.multiattach)
    throw invalidVolume('Multiattach cannot be used with encrypted volumes.');
  const row: VolumeRow = {
    id,
    project_id: caller.projectId,
    user_id: caller.userId,
    name: (volume.name === undefined ? volume.display_name : volume.name) ?? null,
    description: (volume.description === undefined ? volume.display_description : volume.description) ?? null,
    size_gib: size,
    status: 'creating',
    availability_zone: zones[0],
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
    readonly: null,
    migration_status: null,
    group_id: group?.id ?? null,
    encryption_key_id: key?.id ?? null,
    ...source?.columns,
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
  const { type_name: _, ...values } = row;
  return {
    row,
    charge: volumeCharge(row),
    write(tx, awaited = false) {
      group?.hold(tx);
      source?.hold(tx);
      key?.write(tx);
      tx.later(tx.q.insertInto('volumes').values(values));
      if (type?.encryption === null) tx.later(stillPlain(type.id));
      return app.operations.begin(tx, {
        kind: 'volume.create',
        volumeId: row.id,
        projectId: row.project_id,
        userId: row.user_id,
        requestId: context.requestId,
        input: {
          ...source?.input,
          ...(awaited && { awaited }),
          ...(group !== undefined && { groupId: group.id }),
          ...(zones.length > 1 && { zones }),
        },
      });
    },
    refusal(error) {
      // The type was deleted since it was looked up.
      if (isDangling(error)) return namedTypeMissing(type?.name ?? '');
      return error instanceof LostRow ? (source ?? group)?.lost() : undefined;
    },
  };
}

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
  'snapshot_id',
  'source_volid',
  'image_id',
  'imageRef',
  'group_id',
  'consistencygroup_id',
  'backup_id',
]);

function checkRequest(context: RequestContext, volume: NewVolume): void {
  const unknown = context.microversion >= 53 ? Object.keys(volume).filter((key) => !KNOWN.has(key)) : [];
  if (unknown.length > 0) {
    throw unexpected('volume', volume, unknown);
  }
  if (volume.multiattach === null) throw badRequest("Value 'None' for 'multiattach' is not a boolean.");
  if (volume.group_id === '') throw notFound('Group', '');
  if (volume.multiattach === true) {
    throw badRequest(
      'multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.',
    );
  }
}

/** @returns GiB */
function chooseSize(volume: NewVolume, source: Source | undefined): number {
  const size = volume.size ?? source?.defaultGib;
  if (size === undefined) {
    throw generalComplaint();
  }
  if (source !== undefined && size < source.leastGib) throw source.tooSmall(size);
  return size;
}

interface ChosenType {
  readonly id: VolumeTypeId;
  readonly name: string;
  readonly multiattach: boolean;
  readonly specs: Readonly<Record<string, string>>;
  readonly encryption: VolumeEncryption | null;
}

/** Without a word about it a volume is of its source's type, or else of the project's default type. */
async function findType(
  context: RequestContext,
  wanted: string | null | undefined,
  origin: VolumeRow | undefined,
): Promise<ChosenType | undefined> {
  const { app, caller } = context;
  if (wanted === undefined || wanted === null || wanted === '') {
    const type = origin === undefined ? await app.defaultTypes.of(caller.projectId) : undefined;
    return type && chosen(app, type);
  }
  const type = await readTypeByNameOrId(app.db, wanted);
  if (type === undefined) throw namedTypeMissing(wanted);
  if (type.id !== origin?.volume_type_id && !(await mayUse(context, type))) throw namedTypeMissing(wanted);
  return chosen(app, type);
}

async function chosen({ db }: App, { id, name, extra_specs, encrypted }: NamedType): Promise<ChosenType> {
  const specs = readSpecs(extra_specs);
  return {
    id,
    name,
    multiattach: specs['multiattach'] === '<is> True',
    specs,
    encryption: encrypted === 1 ? await encryptionOf(db, id) : null,
  };
}

/** A volume lies where its source does: a type that names another back end can't be had. Placement checks the rest. */
async function checkType(app: App, type: ChosenType | undefined, origin: VolumeRow): Promise<void> {
  if (type === undefined || type.id === origin.volume_type_id) return;
  const backendName = type.specs['volume_backend_name'];
  if (backendName === undefined) return;
  const pool = await app.db
    .selectFrom('pools')
    .select('backend_name')
    .where('name', '=', origin.pool)
    .executeTakeFirst();
  if (pool?.backend_name === backendName) return;
  throw invalidInput(
    'Invalid volume_type provided (requested type is not compatible; either match source volume, or omit type argument).',
  );
}
