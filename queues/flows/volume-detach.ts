import type { HostName } from '#schema/ids.ts';
import type { Connection } from '#schema/tasks.ts';
import { dropEviction } from './evictions.ts';
import { REVOKE } from './exports.ts';
import { attachmentOf, subject } from './facts.ts';
import { flow } from './flow.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';
import { removeVolume } from './volume-removal.ts';

/** CVE-2023-2088's order: the guest lets go, the host disconnects, and only then the target forgets the initiator. */
export const volumeDetach = flow('volume.detach')
  .task({
    name: 'unplug',
    on: 'compute',
    task: 'disk.detach',
    waits: true,
    // Only then the disk is known to be the guest's still. After any other failure it may have let go: of that there is no way back.
    orStuck: (code) => code !== 'guest-busy',
    do({ facts }) {
      const { serverGone } = facts.input;
      // The attach or detach that this one waited behind may have taken it away: all that a server's deletion wants.
      const attachment = serverGone === true ? attachmentOf(facts) : subject(facts);
      if (attachment?.host == null || attachment.server_id === null) return null;
      const { host, server_id, connection } = attachment;
      return {
        host: host as HostName,
        input: {
          volumeId: facts.volume.id,
          serverId: server_id,
          connection: connection === null ? null : (JSON.parse(connection) as Connection | null),
          ...(serverGone === true && { serverGone }),
        },
      };
    },
    undo: {
      none: 'the agent plugs the disk in again itself when the guest will not let go; nothing has been cut',
    },
  })
  .task(REVOKE)
  .ends({
    done(tx, run) {
      const { serverGone } = run.facts.input;
      const attachment = attachmentOf(run.facts);
      const goes = serverGone === true && attachment?.delete_on_termination === 1;
      // One that could not be made for a server, and so was never attached, goes on saying so.
      const { pool, status: before } = run.facts.volume;
      const neverWas = pool === null || (before === 'error' && attachment?.host === null);
      const status = neverWas ? null : 'by-attachments';
      dropEviction(tx, run);
      dropAttachment(tx, run);
      if (goes) removeVolume(tx, run, status);
      else settle(tx, run, status);
    },
    undone(tx, run) {
      setAttachment(tx, run, 'attached');
      settle(tx, run, 'in-use');
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_detaching');
      settle(tx, run, 'error');
    },
  });
