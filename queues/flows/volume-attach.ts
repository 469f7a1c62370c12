import { sqlTime } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { writeEviction } from './evictions.ts';
import { EXPORT } from './exports.ts';
import { refuseUncleared, subject } from './facts.ts';
import { flow } from './flow.ts';
import { PLUG_WITHIN_S, plugTask } from './plug.ts';
import { dropUnlessDetached, setAttachment, settle } from './settle.ts';

export const volumeAttach = flow('volume.attach')
  .task({
    ...EXPORT,
    do(run) {
      const { id, status } = run.facts.volume;
      // What made it went before, and says why.
      if (status === 'error') throw new Error(`volume ${id} could not be made`);
      refuseUncleared(run.facts);
      return EXPORT.do(run);
    },
  })
  .task({
    name: 'plug',
    on: 'compute',
    task: 'disk.attach',
    withinS: PLUG_WITHIN_S,
    do: ({ facts, out }) => plugTask(facts, out.export, facts.input.device),
    undo: {
      task: 'disk.detach',
      orEvict: true,
      do({ facts }) {
        const { host, server_id } = subject(facts);
        if (host === null || server_id === null) return null;
        return {
          host: host as HostName,
          input: { volumeId: facts.volume.id, serverId: server_id, connection: null },
        };
      },
    },
  })
  .ends({
    done(tx, run) {
      setAttachment(tx, run, 'attached', {
        mountpoint: run.out.plug?.device ?? null,
        connection: JSON.stringify(run.out.export?.connection ?? null),
        attached_at: sqlTime(run.clock.now()),
      });
      settle(tx, run, 'in-use');
    },
    undone(tx, run) {
      if (run.evicts) writeEviction(tx, run);
      dropUnlessDetached(tx, run);
      settle(tx, run, run.facts.volume.status === 'error' ? null : 'by-attachments');
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_attaching');
      settle(tx, run, 'error');
    },
  });
