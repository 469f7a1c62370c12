import type { AttachmentId, HostName, PoolName, ServerId, VolumeId } from '#schema/ids.ts';
import type { ComputeInventory, StorageInventory } from '#schema/inventory.ts';
import type { PoolParts } from '#schema/pools.ts';
import type { Answer } from '../drift/ask.ts';
import { placeOf } from '../drift/place-of.ts';
import type { AttachmentRow, OperationRow, Rows, VolumeRow } from '../drift/rows.ts';
import { judge, openByVolume } from './open-operations.ts';
import { readStorage, type Storage, whereIs } from './where.ts';

/** A disk that a hypervisor has and MySQL knows nothing of. */
export interface Plugged {
  readonly host: HostName;
  readonly serverId: ServerId;
  /** `/dev/vdb` */
  readonly mountpoint: string | null;
  readonly readOnly: boolean;
}

/** What becomes of one volume after a restore. */
export type VolumePlan = { readonly volumeId: VolumeId } & Outcome;

type Outcome =
  | {
      /** MySQL and the hosts agree on who has it: work goes on where the backup left it. */
      readonly what: 'resume';
      /** They may have a newer account than MySQL remembers. */
      readonly attached: readonly AttachmentId[];
      /** Where its data have been found, when that is another pool than MySQL's. */
      readonly pool: PoolName | null;
      /** What was under way ends: it must be asked for again. */
      readonly ends: boolean;
      /** Its data are there, and go with nothing that ends now. */
      readonly data: boolean;
    }
  | {
      /** The hosts have moved on since the backup, and MySQL follows them. */
      readonly what: 'follow';
      readonly found: readonly Plugged[];
      readonly gone: readonly AttachmentId[];
      readonly pool: PoolName | null;
    }
  | {
      /** All hosts have been heard, and what it holds is in doubt all the same: a person must look. */
      readonly what: 'doubt';
      readonly reason: string;
      readonly pool: PoolName | null;
    }
  | {
      /** Nobody can tell yet: nothing may be done to it. */
      readonly what: 'leave';
      readonly reason: string;
    };

interface Hosts {
  readonly storage: ReadonlyMap<string, StorageInventory>;
  readonly shelves: Storage;
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
  const open = openByVolume(rows);
  const keyed = new Set(rows.keyed.flatMap(({ what, id }) => (what === 'volume' ? [id] : [])));
  return [...rows.volumes.values()].map((volume) => ({
    volumeId: volume.id,
    ...planVolume(rows, hosts, {
      volume,
      open: open.get(volume.id) ?? [],
      disks: disks.get(volume.id) ?? [],
      multiattach: multiattach.has(volume.id),
      encrypted: keyed.has(volume.id),
    }),
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
  return { storage, shelves: readStorage(storage, silent), compute, silent, initiators };
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

interface Subject {
  readonly volume: VolumeRow;
  readonly open: readonly OperationRow[];
  readonly disks: readonly Disk[];
  readonly multiattach: boolean;
  readonly encrypted: boolean;
}

function planVolume(rows: Rows, hosts: Hosts, subject: Subject): Outcome {
  const { volume, open } = subject;
  const where = whereIs(hosts.shelves, hosts.storage, volume, open.length > 0);
  if (where.at === 'unknown') return leave(where.reason);
  const pool = where.at === 'moved' ? where.pool : null;
  const doubt = (reason: string): Outcome => ({ what: 'doubt', reason, pool });
  if (where.at === 'several') return doubt(where.reason);
  const data = where.at !== 'nowhere';
  // One that could not be made, or taken over, has no place, and what lies there under its name is nobody's.
  if (volume.pool === null && (!data || open.length === 0))
    return { what: 'resume', attached: [], pool: null, ends: false, data: false };
  const users = usersOf(rows, hosts, subject, placeOf({ pool: pool ?? volume.pool }));
  if (typeof users === 'string') return leave(users);
  const { managed, found, held } = users;

  const { verdict, kind } = judge(open, { data, held });
  if (verdict === 'doubt')
    return doubt(
      `${kind} was under way in the backup, and how far it has got, or what came after it, nobody knows; its data are ${data ? `in ${pool ?? volume.pool}` : 'nowhere'}`,
    );
  const luks = where.at === 'nowhere' ? null : where.luks;
  if (luks !== null && luks !== subject.encrypted)
    return doubt(
      luks
        ? 'its data begin with a LUKS header, and MySQL has no key: encrypted since, or by its guest'
        : 'its data do not begin with a LUKS header, and MySQL says that they are encrypted',
    );
  // What waited for its turn does so no longer.
  const gone = users.missing.filter(
    ({ status }) => verdict === 'end' || open.length === 0 || !WAITING.has(status),
  );
  if (gone.length === 0 && found.length === 0) {
    const attached = managed.filter(({ status }) => status === 'attached').map(({ id }) => id);
    return { what: 'resume', attached, pool, ends: verdict === 'end', data };
  }
  const attachments = rows.attached.get(volume.id) ?? [];
  const owners = attachments.length - gone.length + found.length;
  if (owners > 1 && !subject.multiattach) return leave(`${owners} servers have it, and only one may`);
  return {
    what: 'follow',
    found: found.map(({ host, serverId, mountpoint, readOnly }) => ({
      host,
      serverId,
      mountpoint,
      readOnly,
    })),
    gone: gone.map(({ id }) => id),
    pool,
  };
}

/** The agent that a volume moves to logs in by such a name while it copies, and only then (queues/flows/volume-move.ts). */
const MOVER = 'iqn.2010-10.org.blockyard:mover:';

/** An open operation has yet to give these to their hosts, or may have taken them away already. */
const WAITING: ReadonlySet<string> = new Set(['attaching', 'detaching']);

interface Users {
  readonly managed: readonly AttachmentRow[];
  readonly found: readonly Disk[];
  /** Attachments whose disk no guest has. */
  readonly missing: readonly AttachmentRow[];
  /** See `Found`. */
  readonly held: boolean;
}

/** Who has the volume, or why nobody can tell. */
function usersOf(
  rows: Rows,
  hosts: Hosts,
  { volume, open, disks }: Subject,
  place: PoolParts | null,
): Users | string {
  const inventory = place === null ? undefined : hosts.storage.get(place.agent);
  if (inventory === undefined) return `storage host ${place?.agent ?? ''} did not answer`;
  if (inventory.exportsError !== null)
    return `the exports of storage host ${place?.agent ?? ''} could not be read: ${inventory.exportsError}`;
  const exported = inventory.exports?.find(({ volumeId }) => volumeId === volume.id);
  const sessions = exported?.sessions ?? [];
  const initiators = exported?.initiators ?? [];
  const attachments = rows.attached.get(volume.id) ?? [];
  const managed = attachments.filter((row) => row.managed === 1 && row.server_id !== null);
  const unheard = [
    ...managed.flatMap(({ host }) => host ?? []),
    ...hostsOf(hosts, [...initiators, ...sessions]),
  ].find((host) => !hosts.compute.has(host));
  if (unheard !== undefined) return `hypervisor ${unheard} did not answer, and it may have the volume`;

  // Cut off by force: whether that is what the guest still has, or what it has been given since, looks the same.
  const cut = rows.evictions.find(
    ({ volume_id, host, server_id }) =>
      volume_id === volume.id && disks.some((disk) => disk.host === host && disk.serverId === server_id),
  );
  if (cut !== undefined)
    return `server ${cut.server_id} on ${cut.host} has the disk that was taken from it by force, or has it again`;

  const has = (row: AttachmentRow): boolean =>
    disks.some(({ host, serverId }) => host === row.host && serverId === row.server_id);
  const missing = managed.filter((row) => !has(row) && row.status !== 'reserved');
  const gone = missing.filter(({ status }) => open.length === 0 || !WAITING.has(status));
  const found = disks.filter(
    ({ host, serverId }) => !managed.some((row) => row.host === host && row.server_id === serverId),
  );
  const owners = [...attachments.filter((row) => !gone.includes(row)), ...found];
  // What our own hypervisors have they have told; a client that is let in may have it without being logged in just now.
  const clients = initiators.filter((each) => hostsOf(hosts, [each]).length === 0 && !each.startsWith(MOVER));
  const strangers = [...sessions, ...clients].filter((each) => !knows(hosts, owners, each));
  if (strangers.length > 0)
    return `logged in, or let in, and nobody knows why: ${[...new Set(strangers)].join(', ')}`;
  const letIn = new Set(initiators.map((each) => each.toLowerCase()));
  const held = attachments.some((row) =>
    row.managed === 1
      ? row.status === 'detaching' && has(row)
      : row.initiator !== null && letIn.has(row.initiator.toLowerCase()),
  );
  return { managed, found, missing, held };
}

function leave(reason: string): Outcome {
  return { what: 'leave', reason };
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
