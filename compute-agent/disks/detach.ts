import { reach } from '#queues/stopping-points.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { aliasOf, targetOf } from '../libvirt/domain-xml/domain-document.ts';
import type { Element } from '../libvirt/domain-xml/element.ts';
import { childNamed } from '../libvirt/domain-xml/element.ts';
import { listDisk } from '../libvirt/domain-xml/list-disks.ts';
import type { DomainEvents } from '../libvirt/events.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { cutPower } from '../servers/start.ts';
import { type DomainView, diskOf, findDomain, findLive } from './domain-view.ts';
import { eventGate } from './event-gate.ts';

export interface DetachDeps {
  readonly virsh: Virsh;
  readonly events: DomainEvents;
  readonly connector: Connector;
  /** How long a guest may take to let go. */
  readonly detachTimeoutMs: number;
}

/** A guest that is booting, or busy, misses a request; Nova asks eight times, too. */
const REQUESTS = 8;
/** How long a guest may still be answering a request that nobody remembers. */
const FIRST_ANSWER_MS = 3_000;
const LOOK_EVERY_MS = 200;
/** Between two looks for a target that is away; it is waited for as long as it takes. */
const TARGET_AGAIN_MS = 1_000;

/**
 * Takes the volume from the server: from its persistent definition first, so that it doesn't come back at the next start,
 * then from the running guest, which has to let go of it by itself; then disconnects. A server or a disk that isn't there
 * is success. A server that is being deleted is switched off instead of asked.
 * @throws TaskError `guest-busy` when the guest kept the disk: it is then wholly attached again.
 */
export async function detach(
  deps: DetachDeps,
  { volumeId, serverId, connection, serverGone = false }: TaskInput<'disk.detach'>,
  signal: AbortSignal,
): Promise<Record<string, never>> {
  if (serverGone) await cutPower(deps.virsh, serverId);
  const view = await findDomain(deps.virsh, serverId);
  if (view !== null) await unplug(deps, view, serverId, volumeId, signal);
  await reach('detach.unplugged');
  await deps.connector.disconnect(volumeId, connection);
  return {};
}

async function unplug(
  deps: DetachDeps,
  view: DomainView,
  serverId: string,
  volumeId: string,
  signal: AbortSignal,
): Promise<void> {
  const { virsh } = deps;
  const config = diskOf(view.config, volumeId);
  if (config !== undefined) await remove(virsh, serverId, config, '--config');
  await reach('detach.unconfigured');
  const live = diskOf(view.live, volumeId);
  const askedBefore = view.config !== null && config === undefined;
  if (live === undefined || (await guestLetsGo(deps, view, serverId, volumeId, live, askedBefore, signal)))
    return;
  if (view.config !== null) {
    // A task that ran before this one may have removed it already; the live definition is as good.
    const [document, disk] = config === undefined ? [view.live, live] : [view.config, config];
    await restore(virsh, serverId, (document?.text ?? '').slice(disk.start, disk.end));
  }
  const seconds = Math.round(deps.detachTimeoutMs / 1_000);
  throw new TaskError('guest-busy', `the guest did not let go of ${targetOf(live)} within ${seconds} s`);
}

/**
 * Asks the guest, and again from time to time; true as soon as the disk is gone from the live definition.
 * @param askedBefore a run of this task that was killed may have asked already. A guest that answers twice ejects whatever
 * disk has been given the slot in between, so the first answer is waited for.
 */
export async function guestLetsGo(
  { virsh, events, connector, detachTimeoutMs }: DetachDeps,
  { name }: DomainView,
  serverId: string,
  volumeId: string,
  disk: Element,
  askedBefore: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const alias = aliasOf(disk);
  // Registered before the request: a quick guest answers before virsh does.
  using gate = eventGate(events, (event) => {
    if (event.kind === 'gap') return true;
    if (event.domain !== name) return false;
    return event.kind === 'lifecycle' || (event.kind === 'device-removed' && event.alias === alias);
  });
  // While libvirtd restarts the guest goes on, and so does the wait.
  const unlessRestarting = (error: unknown): boolean => {
    if (isVirshFailure(error, 'disconnected')) return false;
    throw error;
  };
  const gone = async (): Promise<boolean> => diskOf(await findLive(virsh, serverId), volumeId) === undefined;
  const goneWithin = async (ms: number, lookEveryMs: number): Promise<boolean> => {
    const until = performance.now() + ms;
    for (let left = ms; left > 0; left = until - performance.now()) {
      await gate.wait(Math.min(left, lookEveryMs), signal);
      if (await gone().catch(unlessRestarting)) return true;
    }
    return false;
  };
  // Its event may have come before we listened.
  if (askedBefore && (await goneWithin(FIRST_ANSWER_MS, LOOK_EVERY_MS))) return true;
  const { source } = listDisk(disk);
  for (let request = 0; request < REQUESTS; request += 1) {
    while (!(await connector.canLetGo(source))) {
      if (await goneWithin(TARGET_AGAIN_MS, TARGET_AGAIN_MS)) return true;
    }
    const asked = remove(virsh, serverId, disk, '--live').then((found) => !found);
    if (await asked.catch(unlessRestarting)) return true;
    await reach('detach.requested');
    const patienceMs = detachTimeoutMs / REQUESTS;
    if (await goneWithin(patienceMs, patienceMs)) return true;
  }
  return false;
}

/**
 * Removes a disk from one of the two definitions; from the live one that is only a request.
 * False when it is gone already.
 */
export async function remove(
  virsh: Virsh,
  serverId: string,
  disk: Element,
  where: '--live' | '--config',
): Promise<boolean> {
  const alias = aliasOf(disk);
  try {
    if (alias?.startsWith('ua-') === true) {
      await virsh.run(['detach-device-alias', serverId, alias, where]);
    } else {
      await virsh.run(['detach-device', serverId, where], { xml: byTarget(disk) });
    }
    return true;
  } catch (error) {
    if (isVirshFailure(error, 'device-not-found', 'not-running', 'domain-not-found')) return false;
    if (isVirshFailure(error, 'unplugging')) return true;
    throw error;
  }
}

/** Enough for libvirt to find a disk that somebody attached without our alias. */
function byTarget(disk: Element): string {
  const type = disk.attributes['type'] ?? 'block';
  const bus = childNamed(disk, 'target')?.attributes['bus'] ?? 'virtio';
  return `<disk type='${type}' device='disk'><target dev='${targetOf(disk)}' bus='${bus}'/></disk>`;
}

async function restore(virsh: Virsh, serverId: string, diskXml: string): Promise<void> {
  try {
    await virsh.run(['attach-device', serverId, '--config'], { xml: diskXml });
  } catch (error) {
    if (!isVirshFailure(error, 'exists', 'domain-not-found', 'transient')) throw error;
  }
}
