import type { HostName } from '#schema/ids.ts';
import type { TaskOutput } from '#schema/tasks.ts';
import { resolveIotune } from '../qos/resolve.ts';
import { type Facts, subject } from './facts.ts';
import type { TaskCall } from './flow.ts';
import { luksOf } from './luks.ts';

/** Seconds: twice what one slow login and one slow hot-plug take. */
export const PLUG_WITHIN_S = 120;

/** The task that connects the operation's attachment to its server. @throws Error when it names no server or account */
export function plugTask(
  facts: Facts,
  exported: TaskOutput<'export.ensure'> | null | undefined,
  device: string | null,
): TaskCall<'disk.attach'> {
  const { host, server_id, initiator, chap_username, chap_secret, mode } = subject(facts);
  const connection = exported?.connection;
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
      device,
      readonly: mode === 'ro',
      ...luksOf(facts),
    },
  };
}
