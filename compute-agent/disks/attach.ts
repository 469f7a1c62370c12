import type { KeyedMutex } from '#agent/keyed-mutex.ts';
import type { Secrets } from '#queues/secrets.ts';
import { reach } from '#queues/stopping-points.ts';
import { TaskError, type TaskInput, type TaskOutput } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { type DiskBus, deviceFitsBus, firstFreeName } from '../libvirt/domain-xml/device-name.ts';
import { diskXml } from '../libvirt/domain-xml/disk-xml.ts';
import { targetOf } from '../libvirt/domain-xml/domain-document.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { type DomainView, diskOf, findDomain, viewDomain } from './domain-view.ts';
import { limitsOf } from './limits.ts';

export interface AttachDeps {
  readonly virsh: Virsh;
  readonly connector: Connector;
  readonly secrets: Secrets;
  /** Between reading which device names are free and taking one, no other attach of ours to that server. */
  readonly servers: KeyedMutex;
}

type Request = TaskInput<'disk.attach'>;

/** Another tool may take the name that we chose; then the next one is tried. */
const PLACES_TRIED = 3;

/**
 * Makes the volume a disk of the server: of the running guest and of its persistent definition, whichever of the two
 * lacks it, under one device name. libvirt changes both in one call or neither.
 * @throws TaskError `not-found` for an unknown server, `invalid` for a device name that is taken or does not fit; any other
 * failure leaves nothing behind.
 */
export async function attach(deps: AttachDeps, request: Request): Promise<TaskOutput<'disk.attach'>> {
  const { volumeId, serverId } = request;
  return await deps.servers.run(serverId, async () => {
    const before = await viewDomain(deps.virsh, serverId);
    // Refuse before anything is connected.
    placeFor(before, request);
    const source = await deps.connector.connect({
      volumeId,
      connection: request.connection,
      initiator: request.initiator,
      chap: {
        username: request.chap.username,
        secret: deps.secrets.decrypt(request.chap.secret, volumeId),
      },
      ...(request.luks !== undefined && {
        passphrase: deps.secrets.decrypt(request.luks.secret, volumeId),
      }),
    });
    await reach('attach.connected');
    try {
      return { device: `/dev/${await plug(deps.virsh, request, source, before)}` };
    } catch (error) {
      await undo(deps, request).catch(() => undefined);
      throw error;
    }
  });
}

async function plug(
  virsh: Virsh,
  request: Request,
  source: Awaited<ReturnType<Connector['connect']>>,
  before: DomainView,
): Promise<string> {
  const { volumeId, serverId, bus, readonly } = request;
  for (let view = before, attempt = 1; ; attempt += 1) {
    const device = placeFor(view, request);
    const missing = [
      ...(view.live !== null && diskOf(view.live, volumeId) === undefined ? ['--live'] : []),
      ...(view.config !== null && diskOf(view.config, volumeId) === undefined ? ['--config'] : []),
    ];
    if (missing.length === 0) return device;
    const xml = diskXml({
      volumeId,
      source,
      bus,
      device,
      iotune: limitsOf(request.iotune),
      readOnly: readonly,
    });
    try {
      await virsh.run(['attach-device', serverId, ...missing], { xml });
      return device;
    } catch (error) {
      const changed = isVirshFailure(error, 'exists', 'not-running', 'transient');
      if (!changed || attempt === PLACES_TRIED) throw error;
    }
    view = await viewDomain(virsh, serverId);
  }
}

/** The disk's device name: the one it has, the one asked for, or the first that is free in both documents. */
function placeFor({ live, config }: DomainView, { volumeId, device, bus }: Request): string {
  const disk = diskOf(live, volumeId) ?? diskOf(config, volumeId);
  const present = disk && targetOf(disk);
  const wanted = device === null ? null : deviceName(device, bus);
  if (present !== undefined) {
    if (wanted === null || wanted === present) return present;
    throw new TaskError('invalid', `volume ${volumeId} is attached already, as /dev/${present}`);
  }
  const taken = new Set(
    [...(live?.disks ?? []), ...(config?.disks ?? [])].flatMap((each) => targetOf(each) ?? []),
  );
  if (wanted === null) return firstFreeName(taken, bus);
  if (taken.has(wanted)) throw new TaskError('invalid', `device /dev/${wanted} is taken`);
  return wanted;
}

function deviceName(device: string, bus: DiskBus): string {
  const name = device.replace(/^\/dev\//, '');
  if (deviceFitsBus(name, bus)) return name;
  throw new TaskError('invalid', `device ${device} does not fit bus ${bus}`);
}

/** After a failed attach: not in the guest, so not in its definition either, and not connected. */
async function undo(
  { virsh, connector }: AttachDeps,
  { volumeId, serverId, connection }: Request,
): Promise<void> {
  const view = await findDomain(virsh, serverId);
  if (diskOf(view?.live ?? null, volumeId) !== undefined) return;
  if (diskOf(view?.config ?? null, volumeId) !== undefined) {
    await virsh.run(['detach-device-alias', serverId, `ua-${volumeId}`, '--config']);
  }
  await connector.disconnect(volumeId, connection);
}
