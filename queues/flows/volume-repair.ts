import type { HostName } from '#schema/ids.ts';
import { luksHeaderBytes } from '#schema/luks.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { resolveIotune } from '../qos/resolve.ts';
import { aclsOf, exportTask, storedOn } from './exports.ts';
import { attachmentOf, type Facts, refuseUncleared } from './facts.ts';
import { flow, type TaskCall } from './flow.ts';
import { PLUG_WITHIN_S, plugTask } from './plug.ts';
import { pluggedBy } from './plugged.ts';
import { setAttachment, settle } from './settle.ts';

const ENSURES = { none: 'it brings a host to what MySQL says; half of it is nearer than nothing' };

/**
 * Brings one thing on a host back to what MySQL says by the time the volume is held: what has changed since the difference
 * was found is not repaired but left. One row of these is carried out, or two.
 */
export const volumeRepair = flow('volume.repair')
  .task({
    name: 'export',
    on: 'storage',
    task: 'export.ensure',
    do: ({ facts }) =>
      facts.volume.pool !== null && (facts.input.what === 'export' || facts.input.what === 'plug')
        ? exportTask(facts, aclsOf(facts.volume, facts.attachments))
        : null,
    undo: ENSURES,
  })
  .task({
    name: 'grow',
    on: 'storage',
    task: 'volume.grow',
    do({ facts }) {
      const { what } = facts.input;
      if (facts.volume.pool === null || !(what === 'grow' || what === 'resize' || needsProof(facts)))
        return null;
      const { agent, input } = storedOn(facts);
      return { host: agent, input: { ...input, sizeGib: facts.volume.size_gib } };
    },
    undo: ENSURES,
  })
  .task({
    name: 'plug',
    on: 'compute',
    task: 'disk.attach',
    withinS: PLUG_WITHIN_S,
    do: ({ facts, out }) =>
      facts.input.what === 'plug' && attachmentOf(facts)?.status === 'attached'
        ? plugTask(facts, out.export, null)
        : null,
    undo: ENSURES,
  })
  .task({
    name: 'tune',
    on: 'compute',
    task: 'disk.tune',
    do({ facts }) {
      const attachment = facts.input.what === 'tune' ? attachmentOf(facts) : undefined;
      if (attachment?.host == null || attachment.server_id === null) return null;
      return {
        host: attachment.host as HostName,
        input: {
          volumeId: facts.volume.id,
          serverId: attachment.server_id,
          iotune: resolveIotune(facts.qos, facts.volume.size_gib),
        },
      };
    },
    undo: ENSURES,
  })
  .task({
    name: 'unplug',
    on: 'compute',
    task: 'disk.detach',
    withinS: PLUG_WITHIN_S,
    do: ({ facts }) => unplug(facts),
    undo: ENSURES,
  })
  .task({
    name: 'disconnect',
    on: 'compute',
    task: 'connection.absent',
    do({ facts }) {
      const { input, volume, attachments } = facts;
      if (input.what !== 'disconnect' || attachments.some(({ host }) => host === input.host)) return null;
      refuseUncleared(facts, input.host);
      return { host: input.host as HostName, input: { volumeId: volume.id } };
    },
    undo: ENSURES,
  })
  .task({
    name: 'remove',
    on: 'storage',
    task: 'storage.remove',
    do({ facts: { input, volume } }) {
      if (input.what !== 'remove') return null;
      const { host, backend, kind, id } = input;
      if (kind === 'volume' && isHere(volume, host, backend))
        throw new TaskError('refused', 'that is the volume itself');
      if (volume.pool === null && (kind === 'volume' || kind === 'deleting'))
        throw new TaskError('refused', 'these may be the volume’s only data');
      return { host: host as HostName, input: { backend, kind, id } };
    },
    undo: ENSURES,
  })
  .task({
    name: 'resize',
    on: 'compute',
    task: 'disk.resize',
    do({ facts, out }) {
      const disk = facts.input.what === 'resize' ? pluggedBy(facts) : null;
      if (disk === null || out.grow === null) return null;
      const sizeBytes = out.grow.sizeBytes - (facts.luks === null ? 0 : luksHeaderBytes(facts.luks));
      return { host: disk.host, input: { ...disk.input, sizeBytes } };
    },
    undo: ENSURES,
  })
  .ends({
    done(tx, run) {
      const device = run.out.plug?.device;
      if (device !== undefined) setAttachment(tx, run, 'attached', { mountpoint: device });
      settle(tx, run, null);
    },
    undone: (tx, run) => settle(tx, run, null),
    stuck: (tx, run) => settle(tx, run, null),
  });

/** What may be a volume's only data goes only where its own are there, which growing it to its size proves. */
function needsProof({ input }: Facts<'volume.repair'>): boolean {
  return input.what === 'remove' && (input.kind === 'volume' || input.kind === 'deleting');
}

/** Letting go of the disk disconnects the volume, so nobody else on that host may have it. */
function unplug(facts: Facts<'volume.repair'>): TaskCall<'disk.detach'> {
  const { input, volume, attachments } = facts;
  if (input.what !== 'unplug') return null;
  const here = attachments.filter(({ host }) => host === input.host);
  if (here.some(({ server_id }) => server_id === input.serverId)) return null;
  if (here.length > 0)
    throw new TaskError('refused', 'another server of that host has the volume: detach it there first');
  refuseUncleared(facts, input.host);
  const task: TaskInput<'disk.detach'> = { volumeId: volume.id, serverId: input.serverId, connection: null };
  return { host: input.host as HostName, input: task };
}

function isHere({ pool }: Facts['volume'], host: string, backend: string): boolean {
  return pool?.startsWith(`${host}@${backend}#`) === true;
}
