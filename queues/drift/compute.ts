import type { ComputeInventory, ConnectionItem, DiskItem, DomainItem } from '#schema/inventory.ts';
import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import { resolveIotune } from '../qos/resolve.ts';
import { busyVolumes } from './busy.ts';
import type { Finding } from './difference.ts';
import { compareGuestDisk } from './guest-disk.ts';
import type { AttachmentRow, Rows, VolumeRow } from './rows.ts';

const GIB = 1024 ** 3;

/** What is known of all hypervisors: those that did not answer are in `silent`. */
export interface Hypervisors {
  readonly answered: ReadonlyMap<string, ComputeInventory>;
  readonly silent: ReadonlySet<string>;
}

/** Compares what MySQL says is plugged in on one hypervisor with what its agent tells. */
export function compareCompute(rows: Rows, host: string, all: Hypervisors): Finding[] {
  const inventory = all.answered.get(host);
  if (inventory?.domains == null) return [];
  const busy = busyVolumes(rows);
  const encrypted = new Set(rows.keyed.flatMap(({ what, id }) => (what === 'volume' ? [id] : [])));
  const domains = new Map(inventory.domains.map((domain) => [domain.id, domain]));
  const connections = new Map(inventory.connections.map((item) => [item.volumeId, item]));
  return [
    ...rows.attachments.flatMap((row) => {
      if (row.host !== host || row.managed !== 1 || row.status !== 'attached' || busy.has(row.volume_id))
        return [];
      const domain = domains.get(row.server_id ?? '');
      const volume = rows.volumes.get(row.volume_id);
      if (volume === undefined) return [];
      if (domain === undefined) return serverGone(host, row, all);
      return [
        ...comparePlugged(row, volume, encrypted.has(volume.id), domain),
        ...compareConnection(row, domain, connections.get(row.volume_id)),
      ];
    }),
    ...inventory.domains.flatMap((domain) => extraDisks(rows, host, domain, busy)),
    ...compareLeftovers(rows, host, inventory, busy),
    ...compareServers(rows, host, domains, all, busy),
    ...failedEvictions(rows, host),
  ];
}

function about(row: AttachmentRow) {
  return {
    subject: row.id,
    volumeId: row.volume_id,
    attachmentId: row.id,
    ...(row.server_id !== null && { serverId: row.server_id }),
    wanted: `volume ${row.volume_id} plugged into server ${row.server_id} as ${row.mountpoint ?? 'a disk'}`,
  };
}

/** A server that its host does not have: it has moved, or is gone. */
function serverGone(host: string, row: AttachmentRow, { answered, silent }: Hypervisors): Finding[] {
  const now = [...answered].find(([, { domains }]) => domains?.some(({ id }) => id === row.server_id))?.[0];
  if (now !== undefined) {
    return [
      {
        ...about(row),
        kind: 'server-moved',
        found: `the server is on host ${now}`,
        cause: `The server was taken from ${host} to ${now} by other means than Blockyard.`,
        repair: `Bring it back, or shut it down, detach the volume, and attach it on ${now}.`,
        care: 'none',
      },
    ];
  }
  if (silent.size > 0) return [];
  return [
    {
      ...about(row),
      kind: 'server-gone',
      found: 'no hypervisor has such a server',
      cause: 'The server was undefined by other means than Blockyard.',
      repair: 'Detach the volume: nobody has it.',
      care: 'named',
      action: { do: 'detach', volumeId: row.volume_id, attachmentId: row.id },
    },
  ];
}

function comparePlugged(
  row: AttachmentRow,
  volume: VolumeRow,
  encrypted: boolean,
  domain: DomainItem,
): Finding[] {
  const mine = (disks: readonly DiskItem[] | null): DiskItem | undefined =>
    disks?.find(({ volumeId }) => volumeId === row.volume_id);
  const [live, config] = [mine(domain.live), mine(domain.config)];
  const plug = { do: 'plug', volumeId: row.volume_id, attachmentId: row.id } as const;
  const notLive = domain.live !== null && live === undefined;
  const notConfig = domain.config !== null && config === undefined;
  const result: Finding[] = [];
  if (notLive || notConfig) {
    const [kind, found] =
      notLive && notConfig
        ? ['disk-missing', 'neither the running guest nor its definition has it']
        : notLive
          ? domain.config === null
            ? ['disk-missing', 'the guest does not have it']
            : ['disk-not-live', 'its definition has it, the running guest has not']
          : domain.live === null
            ? ['disk-missing', 'its definition has not got it']
            : ['disk-not-persistent', 'the running guest has it, its definition has not'];
    result.push({
      ...about(row),
      kind,
      found,
      repair: 'Plug it in where it is missing.',
      care: 'safe',
      action: plug,
    });
  }
  for (const disk of [live, config]) {
    if (disk === undefined) continue;
    const wrong = wrongDisk(row, disk);
    if (wrong !== null) {
      result.push(wrong);
      break;
    }
  }
  const wanted = { row, sizeBytes: volume.size_gib * GIB, encrypted };
  result.push(
    ...compareMode(row, live, config),
    ...compareGuestDisk(wanted, { live, config }).map((part) => ({ ...about(row), ...part })),
    ...compareLimits(row, volume, live, config),
  );
  return result;
}

/** A guest that may write where it should only read, or the other way round. */
function compareMode(
  row: AttachmentRow,
  live: DiskItem | undefined,
  config: DiskItem | undefined,
): Finding[] {
  const readOnly = row.mode === 'ro';
  const wrong = [
    ...(live !== undefined && live.readOnly !== readOnly ? ['the running guest'] : []),
    ...(config !== undefined && config.readOnly !== readOnly ? ['its definition'] : []),
  ];
  if (wrong.length === 0) return [];
  return [
    {
      ...about(row),
      kind: 'disk-mode',
      wanted: readOnly ? 'read-only' : 'to be written too',
      found: `in ${wrong.join(' and ')} it is ${readOnly ? 'to be written too' : 'read-only'}`,
      repair: 'Detach the volume and attach it again.',
      care: 'none',
    },
  ];
}

/** A disk that says of itself that it is another one. */
function wrongDisk(row: AttachmentRow, { serial, sourceVolumeId, source }: DiskItem): Finding | null {
  if (sourceVolumeId !== null && sourceVolumeId !== row.volume_id) {
    return {
      ...about(row),
      kind: 'disk-wrong-source',
      found: `its source is ${source}: another volume's data`,
      repair: 'Stop the guest and detach the volume; look for who changed the definition.',
      care: 'none',
    };
  }
  if (serial === row.volume_id) return null;
  return {
    ...about(row),
    kind: 'disk-serial',
    found: `a disk with serial number ${serial ?? 'none'}`,
    repair: 'Detach the volume and attach it again.',
    care: 'none',
  };
}

function compareLimits(
  row: AttachmentRow,
  { qos_consumer, qos_specs, size_gib }: VolumeRow,
  live: DiskItem | undefined,
  config: DiskItem | undefined,
): Finding[] {
  const specs = JSON.parse(qos_specs ?? '{}') as Record<string, string>;
  const wanted = resolveIotune(qos_consumer === null ? null : { consumer: qos_consumer, specs }, size_gib);
  const wrong = [
    ...(live !== undefined && differs(wanted, live.iotune) ? [`live: ${limitsText(live.iotune)}`] : []),
    ...(config !== undefined && differs(wanted, config.iotune)
      ? [`persistent: ${limitsText(config.iotune)}`]
      : []),
  ];
  if (wrong.length === 0) return [];
  return [
    {
      ...about(row),
      kind: 'limits',
      wanted: limitsText(wanted),
      found: wrong.join('; '),
      repair: 'Set the limits again.',
      care: 'safe',
      action: { do: 'tune', volumeId: row.volume_id, attachmentId: row.id },
    },
  ];
}

type Limits = Iotune | DiskItem['iotune'];

function differs(wanted: Limits, found: Limits): boolean {
  const some = IOTUNE_KEYS.some((key) => (wanted[key] ?? 0) > 0);
  if ((some ? wanted.group_name : undefined) !== found.group_name) return true;
  return IOTUNE_KEYS.some((key) => {
    const [a, b] = [wanted[key] ?? 0, found[key] ?? 0];
    // QEMU calls a burst of unspecified length one second long.
    return a !== b && !(key.endsWith('_max_length') && a === 0 && b === 1);
  });
}

function limitsText(limits: Limits): string {
  const entries = Object.entries(limits).filter(([, value]) => value !== undefined && value !== 0);
  return entries.map(([key, value]) => `${key}=${value}`).join(', ') || 'no limits';
}

/** A running guest's device, where this host's own initiator has logged in. */
function compareConnection(
  row: AttachmentRow,
  domain: DomainItem,
  connection: ConnectionItem | undefined,
): Finding[] {
  const disk = domain.live?.find(({ volumeId }) => volumeId === row.volume_id);
  if (disk?.source?.startsWith('/dev/') !== true) return [];
  const stranger = connection?.devices.find(({ serial }) => serial !== '' && serial !== row.volume_id);
  if (stranger !== undefined) {
    return [
      {
        ...about(row),
        kind: 'device-serial',
        found: `device ${stranger.block ?? stranger.lun} says that it is ${stranger.serial}`,
        repair:
          'Stop the guest: what it reads and writes may be another volume. Then detach and attach again.',
        care: 'none',
      },
    ];
  }
  if (connection?.sessions.includes('LOGGED_IN') === true) return [];
  return [
    {
      ...about(row),
      kind: 'session-missing',
      found: `sessions: ${connection?.sessions.join(', ') || 'none'}`,
      repair:
        'The kernel logs in by itself once the target answers; if it does, restart the compute agent, which connects what its servers need.',
      care: 'none',
    },
  ];
}

/** Volumes in a guest for which there is no attachment. */
function extraDisks(rows: Rows, host: string, domain: DomainItem, busy: ReadonlySet<string>): Finding[] {
  const places = new Map<string, string[]>();
  for (const [where, disks] of [
    ['the running guest', domain.live],
    ['its definition', domain.config],
  ] as const) {
    for (const { volumeId, alias } of disks ?? []) {
      // Named after a volume that we do not know, and not plugged in by us: another system's.
      if (alias !== `ua-${volumeId}` && !rows.volumes.has(volumeId)) continue;
      places.set(volumeId, [...(places.get(volumeId) ?? []), where]);
    }
  }
  return [...places].flatMap(([volumeId, where]): Finding[] => {
    if (busy.has(volumeId)) return [];
    const attachments = rows.attached.get(volumeId) ?? [];
    if (isEvicted(rows, host, volumeId)) return [];
    if (attachments.some((row) => row.server_id === domain.id || (row.managed === 0 && row.host === host)))
      return [];
    return [
      {
        kind: 'disk-extra',
        subject: `${domain.id}/${volumeId}`,
        volumeId,
        serverId: domain.id,
        wanted: rows.volumes.has(volumeId) ? 'the volume is not attached to this server' : 'no such volume',
        found: `${where.join(' and ')} (${domain.name}) has it`,
        repair: 'Ask the guest to let go of it, take it out of the definition, and disconnect.',
        care: 'named',
        action: { do: 'unplug', volumeId, host, serverId: domain.id },
      },
    ];
  });
}

/** Secrets, sessions, records and journal entries that nobody here needs. */
function compareLeftovers(
  rows: Rows,
  host: string,
  { domains, secrets, connections }: ComputeInventory,
  busy: ReadonlySet<string>,
): Finding[] {
  const plugged = new Set(
    domains?.flatMap(({ live, config }) => [...(live ?? []), ...(config ?? [])].map((disk) => disk.volumeId)),
  );
  const isNeeded = (volumeId: string): boolean =>
    busy.has(volumeId) ||
    plugged.has(volumeId) ||
    isEvicted(rows, host, volumeId) ||
    (rows.attached.get(volumeId) ?? []).some((row) => row.host === host);
  const leftover = (kind: string, volumeId: string, found: string): Finding => ({
    kind,
    subject: volumeId,
    volumeId,
    wanted: 'the volume is not attached here',
    found,
    repair: 'Remove it; no domain here has the volume.',
    care: 'safe',
    action: { do: 'disconnect', volumeId, host },
  });
  return [
    ...secrets
      .filter(({ volumeId }) => !isNeeded(volumeId))
      .map(({ uuid, volumeId }) => leftover('secret-extra', volumeId, `libvirt secret ${uuid}`)),
    ...connections
      .filter(({ volumeId }) => !isNeeded(volumeId))
      .map((item) => leftover('connection-extra', item.volumeId, connectionText(item))),
  ];
}

function connectionText({ journal, records, sessions, devices }: ConnectionItem): string {
  return [
    ...(journal ? ['an entry in the journal'] : []),
    ...(records ? ['node records'] : []),
    ...(sessions.length > 0 ? [`sessions ${sessions.join(', ')}`] : []),
    ...devices.map(({ block, lun }) => `device ${block ?? `of LUN ${lun}`}`),
  ].join(', ');
}

/** The host is to be rid of it, and tries again where that has failed: by a task that nothing newer may outrun there. */
function isEvicted({ evictions }: Rows, host: string, volumeId: string): boolean {
  return evictions.some((row) => row.host === host && row.volume_id === volumeId);
}

function failedEvictions({ evictions }: Rows, host: string): Finding[] {
  return evictions.flatMap((row): Finding[] => {
    if (row.host !== host || row.error === null) return [];
    return [
      {
        kind: 'eviction',
        subject: row.id,
        volumeId: row.volume_id,
        serverId: row.server_id,
        wanted: 'nothing left of a volume that was taken from this host while it was away',
        found: row.error,
        cause: `Operation ${row.operation_id} took the volume away.`,
        repair: 'Mend what it says; the host tries again at each of its reports.',
        care: 'none',
      },
    ];
  });
}

/** Servers that were made through the API and should be on this host. */
function compareServers(
  rows: Rows,
  host: string,
  domains: ReadonlyMap<string, DomainItem>,
  { answered, silent }: Hypervisors,
  busy: ReadonlySet<string>,
): Finding[] {
  return [...rows.servers.values()].flatMap((row): Finding[] => {
    if (row.host !== host || row.root_volume_id === null || domains.has(row.id)) return [];
    if (row.task_state !== null || ['BUILD', 'DELETED', 'ERROR'].includes(row.status)) return [];
    if (busy.has(row.root_volume_id)) return [];
    const now = [...answered].find(([, each]) => each.domains?.some(({ id }) => id === row.id))?.[0];
    if (now === undefined && silent.size > 0) return [];
    return [
      {
        kind: 'server-missing',
        subject: row.id,
        serverId: row.id,
        volumeId: row.root_volume_id,
        wanted: `server ${row.name} (${row.status}) on this host`,
        found: now === undefined ? 'no such domain' : `it is on host ${now}`,
        repair:
          now === undefined
            ? 'Delete the server and make it anew from its root volume.'
            : `Bring it back from ${now}; MySQL follows its host's reports.`,
        care: 'none',
      },
    ];
  });
}
