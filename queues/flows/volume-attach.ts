import { sqlTime } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { resolveIotune } from '../qos/resolve.ts';
import { EXPORT } from './exports.ts';
import { subject } from './facts.ts';
import { flow } from './flow.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';

/** Twice what one slow login and one slow hot-plug take. */
const PLUG_WITHIN_S = 120;

export const volumeAttach = flow('volume.attach')
  .task(EXPORT)
  .task({
    name: 'plug',
    on: 'compute',
    task: 'disk.attach',
    withinS: PLUG_WITHIN_S,
    do({ facts, out }) {
      const { host, server_id, initiator, chap_username, chap_secret, mode } = subject(facts);
      const connection = out.export?.connection;
      if (connection == null) throw new Error('the storage agent answered without a connection');
      if (
        host === null ||
        server_id === null ||
        initiator === null ||
        chap_username === null ||
        chap_secret === null
      ) {
        throw new Error('the attachment names no server, initiator or account');
      }
      return {
        host: host as HostName,
        input: {
          volumeId: facts.volume.id,
          serverId: server_id,
          connection,
          initiator,
          chap: { username: chap_username, secret: chap_secret },
          iotune: resolveIotune(facts.qos, facts.volume.size_gib),
          bus: 'virtio',
          device: facts.input.device,
          readonly: mode === 'ro',
        },
      };
    },
    undo: {
      task: 'disk.detach',
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
      dropAttachment(tx, run);
      settle(tx, run, 'by-attachments');
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_attaching');
      settle(tx, run, 'error');
    },
  });
