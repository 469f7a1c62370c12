import { sql } from 'kysely';
import { newAccount } from '#api/block-storage/attachments/export.ts';
import { charged } from '#api/block-storage/quotas/charge.ts';
import { typeChanged } from '#api/block-storage/volumes/create.ts';
import type { App, RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import type { Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type OperationId, type ServerId } from '#schema/ids.ts';
import type { DataVolume } from '#schema/operations.ts';
import { type FlavorRow, findFlavor, keptFlavor } from '../flavors/rows.ts';
import { prepareData } from './data-volume.ts';
import { readMappings } from './mappings.ts';
import { prepareRoot } from './root-volume.ts';
import type { Mapping, NewServer } from './schema.ts';
import type { ServerVolume } from './server-volume.ts';
import { linksOf } from './view.ts';

/**
 * The volumes' new status (or the new volumes), their attachments, the server and its operation in one transaction; answers
 * at once. A conductor chooses the hypervisor, and has the volumes beside the root attached once the server runs.
 */
export async function createServer(context: RequestContext, wanted: NewServer): Promise<Reply> {
  const { app, caller } = context;
  const mappings = readMappings(wanted);
  const flavor = await chosenFlavor(context, wanted.flavorRef);
  const place = await readPlace(context, wanted.availability_zone ?? null);
  const root = disk(app, mappings.root, await prepareRoot(context, mappings.root, flavor.disk_gib));
  const data: Disk[] = [];
  for (const mapping of mappings.data) data.push(disk(app, mapping, await prepareData(context, mapping)));
  const { attachmentId, volume } = root;
  const { volumeId, volumeProject } = volume;
  const id = asId<ServerId>(app.ids.uuid());
  const now = sqlTime(app.clock.now());
  const charges = [root, ...data].flatMap((each) => each.volume.charges);
  const operations = await charged(context, charges, async (tx) => {
    const making = await volume.take(tx);
    tx.later(
      tx.q.insertInto('servers').values({
        id,
        host: null,
        project_id: caller.projectId,
        user_id: caller.userId,
        name: wanted.name,
        status: 'BUILD',
        vcpus: flavor.vcpus,
        memory_mib: flavor.ram_mib,
        root_volume_id: volumeId,
        flavor: JSON.stringify(keptFlavor(flavor)),
        task_state: 'scheduling',
        fault: null,
        metadata: JSON.stringify(wanted.metadata ?? {}),
        created_at: now,
        updated_at: now,
      }),
    );
    writeAttachment(context, tx, id, root, now);
    const others: { readonly disk: Disk; readonly making: OperationId | null }[] = [];
    for (const each of data) {
      others.push({ disk: each, making: await each.volume.take(tx) });
      writeAttachment(context, tx, id, each, now);
    }
    const booting = await app.operations.begin(tx, {
      kind: 'server.create',
      volumeId,
      attachmentId,
      projectId: volumeProject,
      userId: caller.userId,
      requestId: context.requestId,
      input: {
        serverId: id,
        ...place,
        madeVolume: making !== null,
        data: others.map((other) => dataVolume(other.disk, other.making !== null)),
      },
    });
    // What is made goes first; the server waits in its root's line.
    return [making ?? booting, ...others.flatMap((other) => other.making ?? [])];
  }).catch((error: unknown) => {
    const refusals = [root, ...data].map((each) => each.volume.refusal(error));
    throw refusals.find((refusal) => refusal !== undefined) ?? typeChanged(app, error) ?? error;
  });
  for (const operation of operations) app.operations.submit(operation);
  const server = { id, links: linksOf(context, id), 'OS-DCF:diskConfig': 'MANUAL' as const };
  return { status: 202, body: { server }, headers: { Location: `${context.selfUrl}/servers/${id}` } };
}

/** A volume of the server's, and how it is to be attached. */
interface Disk {
  readonly mapping: Mapping;
  readonly volume: ServerVolume;
  readonly attachmentId: AttachmentId;
}

function disk({ ids }: App, mapping: Mapping, volume: ServerVolume): Disk {
  return { mapping, volume, attachmentId: asId<AttachmentId>(ids.uuid()) };
}

function dataVolume({ mapping, volume, attachmentId }: Disk, made: boolean): DataVolume {
  return { volumeId: volume.volumeId, attachmentId, device: mapping.device_name ?? null, made };
}

/** It has no host yet: that is chosen with the server's. */
function writeAttachment(
  context: RequestContext,
  tx: Tx,
  serverId: ServerId,
  { mapping, volume, attachmentId }: Disk,
  now: string,
): void {
  const { volumeId, volumeProject } = volume;
  tx.later(
    tx.q.insertInto('attachments').values({
      id: attachmentId,
      volume_id: volumeId,
      project_id: volumeProject,
      server_id: serverId,
      status: 'attaching',
      host: null,
      managed: 1,
      mountpoint: null,
      mode: sql<
        'rw' | 'ro'
      >`COALESCE((SELECT IF(readonly = 1, 'ro', 'rw') FROM volumes WHERE id = ${volumeId}), 'rw')`,
      connector: null,
      connection: null,
      initiator: null,
      ...newAccount(context, volumeId),
      boot_index: Number(mapping.boot_index ?? -1) === 0 ? 0 : null,
      delete_on_termination: mapping.delete_on_termination === true ? 1 : 0,
      attached_at: null,
      created_at: now,
      updated_at: null,
    }),
  );
}

/** A flavor's id, or a link that ends in it. */
async function chosenFlavor(context: RequestContext, ref: string): Promise<FlavorRow> {
  const id = ref.slice(ref.lastIndexOf('/') + 1);
  try {
    return await findFlavor(context, id);
  } catch (error) {
    throw error instanceof ApiError ? badRequest(error.message) : error;
  }
}

/** `zone`, or for administrators `zone:host`, as in Nova. */
async function readPlace(
  { app, caller }: RequestContext,
  text: string | null,
): Promise<{ availabilityZone: string | null; host: string | null }> {
  if (text === null || text === '') return { availabilityZone: null, host: null };
  const [zone = '', host = null, ...node] = text.split(':');
  if (host !== null && !caller.isAdmin) {
    throw forbidden('Policy does not allow choosing the host of a server.');
  }
  if (node.some((name) => name !== '' && name !== host))
    throw badRequest('Unable to parse availability_zone');
  const services = await app.db
    .selectFrom('services')
    .select(['host', 'availability_zone'])
    .where('binary', '=', 'blockyard-compute')
    .execute();
  if (zone !== '' && !services.some((service) => service.availability_zone === zone)) {
    throw badRequest('The requested availability zone is not available');
  }
  if (host !== null && host !== '' && !services.some((service) => service.host === host)) {
    throw badRequest(`Compute host ${host} could not be found.`);
  }
  return { availabilityZone: zone === '' ? null : zone, host: host === '' ? null : host };
}
