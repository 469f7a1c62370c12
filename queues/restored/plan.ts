import type { AttachmentId, HostName, ServerId, VolumeId } from '#schema/ids.ts';
import type { ComputeInventory, StorageInventory } from '#schema/inventory.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Answer } from '../drift/ask.ts';
import { placeOf } from '../drift/place-of.ts';
import type { AttachmentRow, Rows, VolumeRow } from '../drift/rows.ts';

/** A disk that a hypervisor has and MySQL knows nothing of. */
export interface Plugged {
  readonly host: HostName;
  readonly serverId: ServerId;
  /** `/dev/vdb` */
  readonly mountpoint: string | null;
  readonly readOnly: boolean;
}

/** What becomes of one volume after a restore. */
export type VolumePlan = { readonly volumeId: VolumeId } & (
  | {
      /** MySQL and the hosts agree on who has it: work goes on where the backup left it. */
      readonly what: 'resume';
      /** They may have a newer account than MySQL remembers. */
      readonly attached: readonly AttachmentId[];
    }
  | {
      /** The hosts have moved on since the backup, and MySQL follows them. */
      readonly what: 'follow';
      readonly found: readonly Plugged[];
      readonly gone: readonly AttachmentId[];
    }
  | {
      /** Nobody can tell yet: nothing may be done to it. */
      readonly what: 'leave';
      readonly reason: string;
    }
);

interface Hosts {
  readonly storage: ReadonlyMap<string, StorageInventory>;
  readonly compute: ReadonlyMap<string, ComputeInventory>;
  /** Why a host said nothing. */
  readonly silent: ReadonlyMap<string, string>;
  /** Initiators by hypervisor, in lower case. */
  readonly initiators: ReadonlyMap<string, string>;
}

/** @param multiattach volumes that several servers may have. */
export function planRestore(
  rows: Rows,
  answers: readonly Answer[],
  initiators: Hosts['initiators'],
  multiattach: ReadonlySet<string>,
): VolumePlan[] {
  const hosts = sortAnswers(answers, initiators);
  const disks = disksByVolume(hosts.compute);
  return [...rows.volumes.values()].map((volume) => ({
    volumeId: volume.id,
    ...planVolume(rows, hosts, volume, disks.get(volume.id) ?? [], multiattach.has(volume.id)),
  }));
}

function sortAnswers(answers: readonly Answer[], initiators: Hosts['initiators']): Hosts {
  const storage = new Map<string, StorageInventory>();
  const compute = new Map<string, ComputeInventory>();
  const silent = new Map<string, string>();
  for (const answer of answers) {
    const { kind, host } = answer;
    if (!('inventory' in answer)) silent.set(`${kind} ${host}`, answer.reason);
    else if ('backends' in answer.inventory) storage.set(host, answer.inventory);
    else compute.set(host, answer.inventory);
  }
  return { storage, compute, silent, initiators };
}

type Disk = Plugged & { readonly running: boolean };

/** A disk that only the definition of a running guest has is none: the guest has let go of it. */
function disksByVolume(compute: Hosts['compute']): ReadonlyMap<string, Disk[]> {
  const all = [...compute].flatMap(([host, { domains }]) =>
    (domains ?? []).flatMap(({ id, live, config }) =>
      (live ?? config ?? []).map((disk) => ({
        volumeId: disk.volumeId,
        host: host as HostName,
        serverId: id as ServerId,
        mountpoint: disk.target === null ? null : `/dev/${disk.target}`,
        readOnly: disk.readOnly,
        running: live !== null,
      })),
    ),
  );
  return Map.groupBy(all, ({ volumeId }) => volumeId);
}

type Outcome =
  | { what: 'resume'; attached: AttachmentId[] }
  | { what: 'follow'; found: Plugged[]; gone: AttachmentId[] }
  | { what: 'leave'; reason: string };

function planVolume(
  rows: Rows,
  hosts: Hosts,
  volume: VolumeRow,
  disks: readonly Disk[],
  multiattach: boolean,
): Outcome {
  const place = placeOf(volume);
  if (place === null) return { what: 'resume', attached: [] };
  const { exports } = hosts.storage.get(place.agent) ?? {};
  if (exports === undefined) return leave(`storage host ${place.agent} did not answer`);
  const exported = exports?.find(({ volumeId }) => volumeId === volume.id);
  const attachments = rows.attached.get(volume.id) ?? [];
  const managed = attachments.filter((row) => row.managed === 1 && row.server_id !== null);
  const unheard = [
    ...managed.flatMap(({ host }) => host ?? []),
    ...hostsOf(hosts, [...(exported?.initiators ?? []), ...(exported?.sessions ?? [])]),
  ].find((host) => !hosts.compute.has(host));
  if (unheard !== undefined) return leave(`hypervisor ${unheard} did not answer, and it may have the volume`);

  const has = (row: AttachmentRow): boolean =>
    disks.some(({ host, serverId }) => host === row.host && serverId === row.server_id);
  // One that waits for its turn has nothing on its host yet.
  const waiting = waitingAttachments(rows, volume.id);
  const gone = managed.filter((row) => !has(row) && !waiting.has(row.status));
  const found = disks.filter(
    ({ host, serverId }) => !managed.some((row) => row.host === host && row.server_id === serverId),
  );
  const strangers = (exported?.sessions ?? []).filter(
    (session) => !knows(hosts, [...attachments.filter((row) => !gone.includes(row)), ...found], session),
  );
  if (strangers.length > 0)
    return leave(`logged in, and nobody knows why: ${[...new Set(strangers)].join(', ')}`);
  if (gone.length === 0 && found.length === 0) {
    const attached = managed.filter(({ status }) => status === 'attached').map(({ id }) => id);
    return { what: 'resume', attached };
  }
  const owners = attachments.length - gone.length + found.length;
  if (owners > 1 && !multiattach) return leave(`${owners} servers have it, and only one may`);
  return {
    what: 'follow',
    found: found.map(({ host, serverId, mountpoint, readOnly }) => ({
      host,
      serverId,
      mountpoint,
      readOnly,
    })),
    gone: gone.map(({ id }) => id),
  };
}

function leave(reason: string): Outcome {
  return { what: 'leave', reason };
}

/** Attachments in these statuses are an open operation's to make or to end, whatever the host has of them. */
function waitingAttachments(rows: Rows, volumeId: VolumeId): ReadonlySet<string> {
  const open = [...rows.operations.values()].some(
    ({ volume_id, state }) =>
      volume_id === volumeId && (OPEN_OPERATION_STATES as readonly string[]).includes(state),
  );
  return new Set(open ? ['reserved', 'attaching', 'detaching'] : ['reserved']);
}

function hostsOf({ initiators }: Hosts, wanted: readonly string[]): string[] {
  const lower = new Set(wanted.map((each) => each.toLowerCase()));
  return [...initiators].flatMap(([host, initiator]) => (lower.has(initiator) ? [host] : []));
}

/** One of these has this initiator. */
function knows(
  { initiators }: Hosts,
  owners: readonly { readonly host: string | null; readonly initiator?: string | null }[],
  session: string,
): boolean {
  return owners.some(
    ({ host, initiator }) =>
      (initiator ?? initiators.get(host ?? '') ?? '').toLowerCase() === session.toLowerCase(),
  );
}
