import { setTimeout as sleep } from 'node:timers/promises';
import { limited } from '#queues/limited.ts';
import { isUuid } from '#schema/ids.ts';
import type { Connector } from '../connectors/connector.ts';
import type { DiskSource } from '../libvirt/domain-xml/disk-spec.ts';
import { aliasOf } from '../libvirt/domain-xml/domain-document.ts';
import { listDisk } from '../libvirt/domain-xml/list-disks.ts';
import type { DomainEvents } from '../libvirt/events.ts';
import { parseDomainList } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { countReplugged } from '../metrics.ts';
import type { ServerTurns } from '../recovery/server-turns.ts';
import { type DomainView, diskOf, findDomain } from './domain-view.ts';

interface Deps {
  readonly virsh: Virsh;
  readonly events: DomainEvents;
  readonly connector: Pick<Connector, 'canPlug'>;
  readonly turns: ServerTurns;
  readonly log: (line: string) => void;
}

const ALIAS = 'ua-';
/** Its place on the bus may have been given to another disk since; libvirt finds a new one. */
const ADDRESS = /\s*<address\b[^>]*\/>/g;

export interface LossWatch {
  /** Looks at all guests that run: what happened while nobody watched told no one. Call it when no other agent can be at work here. */
  look(): void;
  stop(): void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** A QEMU that hangs holds a shell of virsh's for a minute; of these tasks need some, too. */
const SERVERS_AT_ONCE = 2;

/**
 * Gives a running guest back a volume that it has let go of although nobody took it away: one that answers an unplug request
 * after we have given up on it, or that answers one twice and so ejects whatever disk has been given the slot in between.
 * What was taken away is in the persistent definition no longer, because a detach begins there; what is, belongs to the guest.
 * While it can't be plugged in (its target is away, libvirtd restarts) it is tried again and again; one disk keeps no other waiting.
 */
export function watchLosses({ virsh, events, connector, turns, log }: Deps): LossWatch {
  const stopping = new AbortController();
  /** What is being looked at, by name, and whether it is to be looked at once more. */
  const looking = new Map<string, boolean>();

  const few = limited(SERVERS_AT_ONCE);
  const replug = async (serverId: string): Promise<void> => {
    const view = await findDomain(virsh, serverId);
    if (view === null) return;
    const failures: unknown[] = [];
    const reachable = async ({ volumeId, source }: Lost): Promise<boolean> => {
      if (await connector.canPlug(volumeId, source)) return true;
      throw new Error(`${view.name} has let go of volume ${volumeId}, whose target does not answer`);
    };
    const failed = (error: unknown): false => {
      failures.push(error);
      return false;
    };
    const lost = await Promise.all(
      lostBy(view).map(async (disk) => ((await reachable(disk).catch(failed)) ? [disk] : [])),
    );
    for (const { volumeId, xml } of lost.flat()) {
      try {
        await virsh.run(['attach-device', serverId, '--live'], { xml });
        countReplugged();
        log(`${view.name} has let go of volume ${volumeId}, which is attached: plugged in again`);
      } catch (error) {
        failed(error);
        // That QEMU would take the others no better, and each try holds a shell for a minute.
        if (isVirshFailure(error, 'hung', 'disconnected')) break;
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  const untilDone = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (looking.has(name)) return void looking.set(name, true);
    let said = '';
    let pause = FIRST_PAUSE_MS;
    do {
      looking.set(name, false);
      try {
        await work();
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (stopping.signal.aborted) break;
        if (why !== said) log(`lost disks: ${why}`);
        said = why;
        looking.set(name, true);
        await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    } while (looking.get(name) === true && !stopping.signal.aborted);
    looking.delete(name);
  };
  // A guest that waits for its place keeps none of its tasks waiting, and one whose task waits (for a target, without end) keeps no place.
  const lookAt = (serverId: string): void =>
    void untilDone(serverId, async () => {
      do await turns.idle(serverId);
      while (!(await few(() => turns.aloneNow(serverId, () => replug(serverId)))));
    });
  const lookAtAll = (): void =>
    void untilDone('all', async () => {
      for (const { uuid } of parseDomainList(await virsh.run(LIST_RUNNING))) lookAt(uuid);
    });
  const lookAtNamed = (domain: string): void =>
    void untilDone(`domain ${domain}`, async () => {
      const uuid = await virsh.run(['domuuid', domain]).catch((error: unknown) => {
        if (isVirshFailure(error, 'domain-not-found')) return null;
        throw error;
      });
      if (uuid !== null) lookAt(uuid.trim());
    });

  const unsubscribe = events.subscribe((event) => {
    if (event.kind === 'gap') lookAtAll();
    else if (event.kind === 'device-removed' && event.alias.startsWith(ALIAS)) lookAtNamed(event.domain);
  });
  return {
    look: lookAtAll,
    stop() {
      unsubscribe();
      stopping.abort();
    },
  };
}

interface Lost {
  readonly volumeId: string;
  readonly source: DiskSource | null;
  readonly xml: string;
}

/** Volumes that its definition has and the running guest has not. */
function lostBy({ live, config }: DomainView): Lost[] {
  if (live === null || config === null) return [];
  return config.disks.flatMap((disk) => {
    const volumeId = aliasOf(disk)?.slice(ALIAS.length) ?? '';
    if (!isUuid(volumeId) || diskOf(live, volumeId) !== undefined) return [];
    const xml = config.text.slice(disk.start, disk.end).replace(ADDRESS, '');
    return [{ volumeId, source: listDisk(disk).source, xml }];
  });
}

const LIST_RUNNING = ['list', '--uuid', '--name'];
