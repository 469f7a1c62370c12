import { newAccount } from '#api/block-storage/attachments/export.ts';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type ServerId } from '#schema/ids.ts';
import { type FlavorRow, findFlavor, keptFlavor } from '../flavors/rows.ts';
import { prepareRoot, rootMapping } from './root-volume.ts';
import type { NewServer } from './schema.ts';
import { linksOf } from './view.ts';

/**
 * The volume's new status (or the new volume), the attachment, the server and its operation in one transaction; answers
 * at once. A conductor chooses the hypervisor.
 */
export async function createServer(context: RequestContext, wanted: NewServer): Promise<Reply> {
  const { app, caller } = context;
  const mapping = rootMapping(wanted);
  const flavor = await chosenFlavor(context, wanted.flavorRef);
  const place = await readPlace(context, wanted.availability_zone ?? null);
  const root = await prepareRoot(context, mapping);
  const { volumeId, volumeProject } = root;
  const id = asId<ServerId>(app.ids.uuid());
  const attachmentId = asId<AttachmentId>(app.ids.uuid());
  const now = sqlTime(app.clock.now());
  const operation = await transaction(app.db, async (tx) => {
    const making = await root.take(tx);
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
    tx.later(
      tx.q.insertInto('attachments').values({
        id: attachmentId,
        volume_id: volumeId,
        project_id: volumeProject,
        server_id: id,
        status: 'attaching',
        host: null,
        managed: 1,
        mountpoint: null,
        mode: 'rw',
        connector: null,
        connection: null,
        initiator: null,
        ...newAccount(context, volumeId),
        boot_index: 0,
        delete_on_termination: mapping.delete_on_termination === true ? 1 : 0,
        attached_at: null,
        created_at: now,
        updated_at: null,
      }),
    );
    const booting = await app.operations.begin(tx, {
      kind: 'server.create',
      volumeId,
      attachmentId,
      projectId: volumeProject,
      userId: caller.userId,
      requestId: context.requestId,
      input: { serverId: id, ...place, madeVolume: making !== null },
    });
    // The second waits in line.
    return making ?? booting;
  }).catch((error: unknown) => {
    throw root.refusal(error) ?? error;
  });
  app.operations.submit(operation);
  const server = { id, links: linksOf(context, id), 'OS-DCF:diskConfig': 'MANUAL' as const };
  return { status: 202, body: { server }, headers: { Location: `${context.selfUrl}/servers/${id}` } };
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
