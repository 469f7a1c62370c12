import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { readSpecs } from '#queues/placement/extra-specs.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type VolumeId } from '#schema/ids.ts';
import { charged } from '../quotas/charge.ts';
import { volumeCharge } from '../quotas/charges.ts';
import { hostOrCluster } from '../services/host-or-cluster.ts';
import { type NamedType, readTypeByNameOrId } from '../types/rows.ts';
import { unexpected } from '../versioned-body.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import { detailView } from '../volumes/view.ts';
import { checkTypeZone } from '../volumes/zones.ts';
import type { Asked } from './schema.ts';
import { checkTaken, findPool, listStored, type Manageable } from './stored.ts';

/** Minor from which a cluster may be named where a volume is to be managed. */
const CLUSTERS_SINCE = 16;

/** Makes a volume of what lies on a backend; a 202 means that the row and the operation are committed. */
export async function manageVolume(context: RequestContext, asked: Asked): Promise<Reply> {
  const { app, caller } = context;
  if ('cluster' in asked && context.microversion < CLUSTERS_SINCE)
    throw unexpected('volume', asked, ['cluster']);
  const { host, cluster } = hostOrCluster(context, asked, CLUSTERS_SINCE);
  const type = await findType(context, asked.volume_type);
  await refuseManaged(context, asked.ref);
  if (type?.encrypted === 1) throw badRequest('Managing to an encrypted volume type is not supported.');
  if (cluster !== '') throw badRequest(`Cluster '${cluster.toWellFormed()}' not found`);
  const pool = await findPool(context, host, () => badRequest(`Host '${host.toWellFormed()}' not found`));
  await checkTaken(context, pool);
  checkReference(asked.ref);
  if ((asked.availability_zone ?? pool.availabilityZone) !== pool.availabilityZone)
    throw invalidInput(`Pool ${pool.name} is in availability zone ${pool.availabilityZone}.`);
  if (type !== undefined) checkBackend(type, pool.backendName);
  checkTypeZone(readSpecs(type?.extra_specs ?? '{}'), pool.availabilityZone);
  const item = choose(await listStored(context, pool.name), asked.ref);
  const row: VolumeRow = {
    id: asId<VolumeId>(app.ids.uuid()),
    project_id: caller.projectId,
    user_id: caller.userId,
    name: asked.name || null,
    description: asked.description || null,
    size_gib: item.sizeGib,
    status: 'managing',
    availability_zone: pool.availabilityZone,
    pool: null,
    volume_type_id: type?.id ?? null,
    type_name: type?.name ?? null,
    bootable: asked.bootable === true ? 1 : 0,
    multiattach: type !== undefined && readSpecs(type.extra_specs)['multiattach'] === '<is> True' ? 1 : 0,
    metadata: JSON.stringify(asked.metadata ?? {}),
    operation_id: null,
    source_volume_id: null,
    snapshot_id: null,
    image_metadata: null,
    encryption_key_id: null,
    group_id: null,
    readonly: null,
    migration_status: null,
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
  const { type_name: _, ...values } = row;
  const operation = await charged(context, [volumeCharge(row)], async (tx) => {
    tx.later(tx.q.insertInto('volumes').values(values));
    return app.operations.begin(tx, {
      kind: 'volume.manage',
      volumeId: row.id,
      projectId: row.project_id,
      userId: row.user_id,
      requestId: context.requestId,
      input: { name: item.name, pool: pool.name },
    });
  });
  app.operations.submit(operation);
  return { status: 202, body: { volume: detailView(context, row, []) } };
}

/** Cinder leaves to drivers what a reference is, once there is a host for it. @throws ApiError 400 */
function checkReference(ref: Asked['ref']): void {
  if (Object.keys(ref).length !== 1 || (ref['source-name'] ?? ref['source-id']) === undefined)
    throw badRequest(
      'Manage existing volume failed due to invalid backend reference: Reference must contain either source-name or source-id, and nothing else.',
    );
}

/** How volumes are called on a back end, here and in Cinder. */
const NAME = /^volume-([0-9a-f-]{36})$/;

/** @throws ApiError 400 for the name of a volume that there is */
async function refuseManaged({ app }: RequestContext, ref: Asked['ref']): Promise<void> {
  const id = NAME.exec(ref['source-name'] ?? '')?.[1];
  if (id === undefined) return;
  const volume = await app.db
    .selectFrom('volumes')
    .select('id')
    .where('id', '=', id as VolumeId)
    .executeTakeFirst();
  if (volume !== undefined)
    throw badRequest('Unable to manage existing volume. The volume is already managed');
}

/** @throws ApiError 400 when there is no such thing, or it cannot be managed */
function choose(items: readonly Manageable[], ref: Asked['ref']): Manageable {
  const name = ref['source-name'];
  const id = ref['source-id']?.toLowerCase();
  // Clients know Cinder's own name for a volume, which it keeps there when it is unmanaged.
  const former = NAME.exec(name ?? `volume-${id}`)?.[1];
  const item =
    items.find((each) => each.name === (name ?? `volume-${id}`)) ??
    items.find((each) => each.name === `unmanaged-${former}`);
  if (item === undefined)
    throw invalidInput(
      `Failed to manage existing volume: there is nothing named ${(name ?? id ?? '').toWellFormed()} there.`,
    );
  if (item.reason !== null)
    throw invalidInput(`Unable to manage existing volume ${item.name}: ${item.reason}.`);
  return item;
}

/** Without a word about it a volume is of the project's default type, as one that is made is. */
async function findType(
  { app, caller }: RequestContext,
  wanted: string | null | undefined,
): Promise<NamedType | undefined> {
  if (wanted === undefined || wanted === null || wanted === '') return app.defaultTypes.of(caller.projectId);
  const type = await readTypeByNameOrId(app.db, wanted);
  if (type === undefined)
    throw badRequest(`Invalid volume type: Cannot find requested '${wanted.toWellFormed()}' volume type`);
  return type;
}

/** @throws ApiError 400 when volumes of the type lie elsewhere */
function checkBackend(type: NamedType, backendName: string): void {
  const backend = readSpecs(type.extra_specs)['volume_backend_name'];
  if (backend !== undefined && backend !== backendName)
    throw invalidInput(
      `Volume type ${type.name} wants backend ${backend}, and the pool is of ${backendName}.`,
    );
}
