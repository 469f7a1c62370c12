import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tx } from '../transaction.ts';
import { writeEviction } from './evictions.ts';
import { cutOff, GONE } from './exports.ts';
import { attachmentOf } from './facts.ts';
import { flow, type Run } from './flow.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';
import { removeVolume } from './volume-removal.ts';

const FORWARD = { none: 'forward only: whoever had the volume is cut off, and must not come back to it' };

/**
 * The host is down, so nothing is asked of it. First the target lets its initiator in no more, then it proves that no
 * session is left, and only then is the volume free. The same transaction writes down what the host is to be rid of when
 * it is back. It takes the volume from operations of that attachment that wait for the host (conductor/claim.ts).
 */
export const volumeForceDetach = flow('volume.force-detach')
  .local({
    name: 'see',
    async do(tx, { facts }) {
      const attachment = attachmentOf(facts);
      if (attachment?.server_id == null) return { serverGoes: false };
      const [server] = await tx.rows(
        tx.q
          .selectFrom('servers')
          .select(['status', 'task_state'])
          .where('id', '=', attachment.server_id)
          .where('root_volume_id', 'is not', null),
      );
      return { serverGoes: server?.task_state === 'deleting' || server?.status === 'DELETED' };
    },
    undo: FORWARD,
  })
  .task({
    name: 'cut',
    on: 'storage',
    task: 'export.ensure',
    waits: true,
    orStuck: true,
    orAbsent: GONE,
    do: ({ facts }) => (attachmentOf(facts) === undefined ? null : cutOff({ facts })),
    undo: FORWARD,
  })
  .ends({
    done(tx, run) {
      const attachment = attachmentOf(run.facts);
      if (attachment === undefined) return settle(tx, run, null);
      const { serverGoes } = run.out.see;
      writeEviction(tx, run);
      dropAttachment(tx, run);
      if (serverGoes && attachment.delete_on_termination === 1) removeVolume(tx, run, 'by-attachments');
      else settle(tx, run, 'by-attachments');
      if (attachment.boot_index !== 0 || attachment.server_id === null) return undefined;
      // Without its root volume there is nothing to start.
      const fault = `Its root volume ${run.facts.volume.id} was detached by force from host ${attachment.host ?? ''}, which was down.`;
      tx.later(
        tx.q
          .updateTable('servers')
          .set({
            status: serverGoes ? 'DELETED' : 'ERROR',
            fault: serverGoes ? null : fault,
            task_state: null,
            updated_at: sqlTime(run.clock.now()),
          })
          .where('id', '=', attachment.server_id)
          .where('root_volume_id', '=', sql.val(run.facts.volume.id)),
      );
      return undefined;
    },
    undone(tx, run) {
      setAttachment(tx, run, 'error_detaching');
      settle(tx, run, null);
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_detaching');
      settle(tx, run, 'error');
      failServer(tx, run);
    },
  });

/** Nobody deletes it any more: what was to do that has been given up for this. Deleting it again is how a person clears it. */
function failServer(tx: Tx, { facts, clock, error }: Run<'volume.force-detach', unknown>): void {
  const attachment = attachmentOf(facts);
  if (attachment?.boot_index !== 0 || attachment.server_id === null) return;
  const { volume } = facts;
  tx.later(
    tx.q
      .updateTable('servers')
      .set({ status: 'ERROR', fault: error, task_state: null, updated_at: sqlTime(clock.now()) })
      .where('id', '=', attachment.server_id)
      .where('root_volume_id', '=', sql.val(volume.id))
      .where('task_state', '=', 'deleting')
      // Asked for since, it waits in line.
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('operations as next')
              .select('next.id')
              .where('next.volume_id', '=', volume.id)
              .where('next.kind', '=', 'server.delete')
              .where('next.state', 'in', OPEN_OPERATION_STATES),
          ),
        ),
      ),
  );
}
