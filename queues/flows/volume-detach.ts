import type { HostName } from '#schema/ids.ts';
import type { Connection } from '#schema/tasks.ts';
import { REVOKE } from './exports.ts';
import { subject } from './facts.ts';
import { flow } from './flow.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';

/** The agent's own patience with the guest (Nova's 8 × 20 s by default) and room to put things back. */
const UNPLUG_WITHIN_S = 240;

/** CVE-2023-2088's order: the guest lets go, the host disconnects, and only then the target forgets the initiator. */
export const volumeDetach = flow('volume.detach')
  .task({
    name: 'unplug',
    on: 'compute',
    task: 'disk.detach',
    withinS: UNPLUG_WITHIN_S,
    waits: true,
    do({ facts }) {
      const { host, server_id, connection } = subject(facts);
      if (host === null || server_id === null) return null;
      return {
        host: host as HostName,
        input: {
          volumeId: facts.volume.id,
          serverId: server_id,
          connection: connection === null ? null : (JSON.parse(connection) as Connection | null),
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
      dropAttachment(tx, run);
      settle(tx, run, 'by-attachments');
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
