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
    // What waits for the target fails now: neither the guest nor QEMU could end while it does.
    await deps.connector.abandon(volumeId, connection).catch(() => undefined);
    if (root) guest = 'removed';
    else if (live === undefined) guest = 'off';
    else guest = await takeFrom(deps, view, { serverId, volumeId, live }, signal);
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

async function takeFrom(
  deps: EvictDeps,
  view: DomainView,
  { serverId, volumeId, live }: Plugged,
  signal: AbortSignal,
): Promise<'let-go' | 'restarted' | 'off'> {
  // A QEMU that hangs on the disk answers libvirt no more: that is a guest that keeps it, too.
  const asked = guestLetsGo(
    { ...deps, detachTimeoutMs: GUEST_MS },
    view,
    serverId,
    volumeId,
    live,
    false,
    // However long its target doesn't answer: the disk has nothing to lose.
    AbortSignal.any([signal, AbortSignal.timeout(GUEST_MS)]),
  );
  if (await asked.catch(() => false)) return 'let-go';
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
