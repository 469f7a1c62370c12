import { sqlTime } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { writeEviction } from './evictions.ts';
import { EXPORT } from './exports.ts';
import { subject } from './facts.ts';
import { flow } from './flow.ts';
import { PLUG_WITHIN_S, plugTask } from './plug.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';

export const volumeAttach = flow('volume.attach')
  .task(EXPORT)
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
      dropAttachment(tx, run);
      settle(tx, run, 'by-attachments');
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_attaching');
      settle(tx, run, 'error');
    },
  });
