import { once } from 'node:events';
import { reach } from '#queues/stopping-points.ts';
import type { TaskInput, TaskOutput } from '#schema/tasks.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { WITH_ALL } from '../servers/absent.ts';
import { cutPower, startDomain } from '../servers/start.ts';
import { type DetachDeps, guestLetsGo, remove } from './detach.ts';
import { type DomainView, diskOf, findDomain } from './domain-view.ts';

export interface EvictDeps extends Omit<DetachDeps, 'detachTimeoutMs'> {
  /** Makes a server's volumes reachable again, as they were when it was defined. */
  readonly reconnect: (serverId: string) => Promise<void>;
  /** Told when it is done. */
  readonly evicted: (serverId: string, volumeId: string) => void;
  readonly log: (line: string) => void;
}

/** A guest that asks nothing of the disk lets go of it while it still has its device, so that libvirt can put all of that away. */
const IDLE_GUEST_MS = 3_000;
/** The disk answers nothing but errors by now, if anything: a guest that hasn't let go by then never will. */
const GUEST_MS = 20_000;

/**
 * Clears away a disk whose volume was taken from this host while it was away. The target has shut this host out and voided its account, so
 * there is nothing to flush and no way to write. What is still plugged in is asked back for seconds; a guest that keeps it is
 * switched off and started again without it, as if the host had indeed died. Anything that isn't there is success.
 */
export async function evict(
  deps: EvictDeps,
  { volumeId, serverId, connection, root }: TaskInput<'disk.evict'>,
  signal: AbortSignal,
): Promise<TaskOutput<'disk.evict'>> {
  const view = await findDomain(deps.virsh, serverId);
  const disks = [view?.config ?? null, view?.live ?? null].map((each) => diskOf(each, volumeId));
  let guest: TaskOutput<'disk.evict'>['guest'] = 'none';
  if (view !== null && disks.some((disk) => disk !== undefined)) {
    if (root) await removeDomain(deps, serverId);
    const [config, live] = disks;
    if (!root && config !== undefined) await remove(deps.virsh, serverId, config, '--config');
    await reach('evict.unconfigured');
    const plugged = root || live === undefined ? null : { serverId, volumeId, live };
    if (plugged !== null && (await lets(deps, view, plugged, IDLE_GUEST_MS, signal))) guest = 'let-go';
    else {
      // What waits for the target fails now: neither the guest nor QEMU could end while it does.
      await deps.connector.abandon(volumeId, connection).catch(() => undefined);
      if (plugged !== null) guest = await takeFrom(deps, view, plugged, signal);
      else guest = root ? 'removed' : 'off';
    }
  }
  await reach('evict.taken');
  await deps.connector.abandon(volumeId, connection);
  deps.evicted(serverId, volumeId);
  return { guest };
}

async function removeDomain({ virsh }: EvictDeps, serverId: string): Promise<void> {
  await cutPower(virsh, serverId);
  await virsh.run(['undefine', serverId, ...WITH_ALL]).catch((error: unknown) => {
    if (!isVirshFailure(error, 'domain-not-found')) throw error;
  });
}

interface Plugged {
  readonly serverId: string;
  readonly volumeId: string;
  readonly live: NonNullable<ReturnType<typeof diskOf>>;
}

/** Asks the guest for the disk. A QEMU that hangs on it answers libvirt no more: that is a guest that keeps it, too. */
async function lets(
  deps: EvictDeps,
  view: DomainView,
  { serverId, volumeId, live }: Plugged,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  // However long its target doesn't answer: the disk has nothing to lose.
  const patience = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  const asking = { ...deps, detachTimeoutMs: withinMs };
  const asked = guestLetsGo(asking, view, serverId, volumeId, live, false, patience).catch(() => false);
  const outOfPatience = once(patience, 'abort').then(() => false);
  return await Promise.race([asked, outOfPatience]);
}

async function takeFrom(
  deps: EvictDeps,
  view: DomainView,
  plugged: Plugged,
  signal: AbortSignal,
): Promise<'let-go' | 'restarted' | 'off'> {
  const { serverId, volumeId } = plugged;
  if (await lets(deps, view, plugged, GUEST_MS, signal)) return 'let-go';
  signal.throwIfAborted();
  deps.log(
    `${view.name} keeps volume ${volumeId}, which was taken from this host: it is switched off and on`,
  );
  await cutPower(deps.virsh, serverId);
  try {
    await deps.reconnect(serverId);
    await startDomain(deps.virsh, serverId);
    return 'restarted';
  } catch (error) {
    deps.log(`${view.name} stays off: ${error instanceof Error ? error.message : String(error)}`);
    return 'off';
  }
}
