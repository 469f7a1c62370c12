import { sqlTime } from '#schema/clock.ts';
import type { HostName, VolumeId } from '#schema/ids.ts';
import { placeServer } from '../placement/place-server.ts';
import { resolveIotune } from '../qos/resolve.ts';
import type { Tx } from '../transaction.ts';
import { attachData, releaseData } from './data-volumes.ts';
import { writeEviction } from './evictions.ts';
import { aclsOf, cutOff, exportTask } from './exports.ts';
import { attachmentOf, type Facts, subject } from './facts.ts';
import { flow } from './flow.ts';
import { luksOf } from './luks.ts';
import { AT_REST, readServer, setServer } from './servers.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';
import { removeVolume } from './volume-removal.ts';

/** A slow login, a slow definition and a slow start. */
const BOOT_WITHIN_S = 180;
const ROOT_DEVICE = 'vda';

/**
 * An operation of the root volume: it is exported to a hypervisor that has room, and the server is started there from it.
 * Its other volumes follow by operations of their own.
 */
export const serverCreate = flow('server.create')
  .local({
    name: 'place',
    async do(tx, run) {
      const { volume, input, operation } = run.facts;
      if (volume.status === 'error') throw new Error(await whyInError(tx, volume.id));
      const server = await readServer(tx, input.serverId);
      if (server.task_state === 'deleting') throw new Error('the server is being deleted');
      const { name, project_id, vcpus, memory_mib: memoryMib } = server;
      const { host, initiator } = await placeServer(
        tx,
        { ...input, vcpus, memoryMib, volumeId: volume.id },
        run.clock,
      );
      setServer(tx, run, { host, task_state: 'spawning' });
      const connector = JSON.stringify({ initiator, host });
      tx.later(
        tx.q
          .updateTable('attachments')
          .set({ host, initiator, connector })
          .where('id', '=', operation.attachment_id),
      );
      return { host, initiator, name, projectId: project_id ?? operation.project_id, vcpus, memoryMib };
    },
    undo: { none: 'the end takes the server from its host' },
  })
  .task({
    name: 'export',
    on: 'storage',
    task: 'export.ensure',
    do({ facts, out }) {
      return exportTask(facts, aclsOf(facts.volume, asPlaced(facts, out.place).attachments));
    },
    undo: { task: 'export.ensure', do: (run) => cutOff({ facts: asPlaced(run.facts, run.out.place) }) },
  })
  .task({
    name: 'boot',
    on: 'compute',
    task: 'server.ensure',
    withinS: BOOT_WITHIN_S,
    do({ facts, out }) {
      const { chap_username, chap_secret, mode } = subject(facts);
      const { host, initiator, ...server } = out.place;
      const connection = out.export?.connection;
      if (connection == null) throw new Error('the storage agent answered without a connection');
      if (chap_username === null || chap_secret === null) throw new Error('the attachment has no account');
      return {
        host,
        input: {
          ...server,
          volumeId: facts.volume.id,
          serverId: facts.input.serverId,
          connection,
          initiator,
          chap: { username: chap_username, secret: chap_secret },
          iotune: resolveIotune(facts.qos, facts.volume.size_gib),
          bus: 'virtio',
          device: ROOT_DEVICE,
          readonly: mode === 'ro',
          ...luksOf(facts),
        },
      };
    },
    undo: {
      task: 'server.absent',
      orEvict: true,
      do({ facts, out }) {
        if (out.place === undefined) return null;
        const { serverId } = facts.input;
        const connection = out.export?.connection ?? null;
        return { host: out.place.host, input: { volumeId: facts.volume.id, serverId, connection } };
      },
    },
  })
  .ends({
    done(tx, run) {
      setAttachment(tx, run, 'attached', {
        mountpoint: run.out.boot?.device ?? null,
        connection: JSON.stringify(run.out.export?.connection ?? null),
        attached_at: sqlTime(run.clock.now()),
      });
      settle(tx, run, 'in-use');
      setServer(tx, run, { status: 'ACTIVE', task_state: AT_REST });
      attachData(tx, run, run.out.place);
    },
    undone(tx, run) {
      const { volume, input } = run.facts;
      const goes = input.madeVolume && attachmentOf(run.facts)?.delete_on_termination === 1;
      if (run.evicts) writeEviction(tx, run, attachmentOf(asPlaced(run.facts, run.out.place)));
      dropAttachment(tx, run);
      // A volume that could not be made says so itself.
      const status = volume.status === 'error' ? null : 'by-attachments';
      if (goes) removeVolume(tx, run, status);
      else settle(tx, run, status);
      setServer(tx, run, { status: 'ERROR', fault: run.error, host: null, task_state: AT_REST });
      releaseData(tx, run);
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_attaching');
      settle(tx, run, 'error');
      setServer(tx, run, { status: 'ERROR', fault: run.error, task_state: AT_REST });
    },
  });

/** The facts may be older than the choice of the host. */
function asPlaced(
  facts: Facts<'server.create'>,
  place: { readonly host: HostName; readonly initiator: string } | undefined,
): Facts<'server.create'> {
  if (place === undefined) return facts;
  const { host, initiator } = place;
  const attachments = facts.attachments.map((each) =>
    each.id === facts.operation.attachment_id ? { ...each, host, initiator } : each,
  );
  return { ...facts, attachments };
}

/** What its own operation ended with. */
async function whyInError(tx: Tx, id: VolumeId): Promise<string> {
  const [made] = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select('error')
      .where('volume_id', '=', id)
      .where('kind', '=', 'volume.create')
      .orderBy('seq_base', 'desc')
      .limit(1),
  );
  return `Volume ${id} could not be made: ${made?.error ?? 'it is in error'}`;
}
