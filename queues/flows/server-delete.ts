import type { HostName } from '#schema/ids.ts';
import type { Connection } from '#schema/tasks.ts';
import type { Tx } from '../transaction.ts';
import { REVOKE } from './exports.ts';
import { attachmentOf } from './facts.ts';
import { flow, type Run } from './flow.ts';
import { forgetServer, setServer } from './servers.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';
import { removeVolume } from './volume-removal.ts';

/** Deleting it again is how a person clears it. */
function failed(tx: Tx, run: Run<'server.delete', unknown>): void {
  setAttachment(tx, run, 'error_detaching');
  settle(tx, run, 'error');
  setServer(tx, run, { status: 'ERROR', fault: run.error, task_state: null });
}

/** An operation of the root volume. The server's other volumes are detached by operations of their own, at the same time. */
export const serverDelete = flow('server.delete')
  .task({
    name: 'off',
    on: 'compute',
    task: 'server.absent',
    waits: true,
    // The domain may be gone by then.
    orStuck: true,
    do({ facts }) {
      const root = attachmentOf(facts);
      // A server that could not be made has let go of its volume already.
      if (root?.host == null) return null;
      const connection = root.connection === null ? null : (JSON.parse(root.connection) as Connection | null);
      const { serverId } = facts.input;
      return { host: root.host as HostName, input: { volumeId: facts.volume.id, serverId, connection } };
    },
    undo: { none: 'forward only: a server that is half gone is deleted again' },
  })
  .task(REVOKE)
  .ends({
    done(tx, run) {
      const { volume, input } = run.facts;
      dropAttachment(tx, run);
      // One that could not be made, and so never was the server's, goes on saying so.
      const neverWas = attachmentOf(run.facts) === undefined && volume.status === 'error';
      const status = neverWas ? null : 'by-attachments';
      if (input.takesVolume) removeVolume(tx, run, status);
      else settle(tx, run, status);
      forgetServer(tx, run);
    },
    undone: failed,
    stuck: failed,
  });
