import { isUuid } from '#schema/ids.ts';
import { aliasOf } from '../libvirt/domain-xml/domain-document.ts';
import type { DomainEvents } from '../libvirt/events.ts';
import { parseDomainList } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { countReplugged } from '../metrics.ts';
import type { ServerTurns } from '../recovery/server-turns.ts';
import { diskOf, findDomain } from './domain-view.ts';

interface Deps {
  readonly virsh: Virsh;
  readonly events: DomainEvents;
  readonly turns: ServerTurns;
  readonly log: (line: string) => void;
}

const ALIAS = 'ua-';
/** Its place on the bus may have been given to another disk since; libvirt finds a new one. */
const ADDRESS = /\s*<address\b[^>]*\/>/g;

/**
 * Gives a running guest back a volume that it has let go of although nobody took it away: one that answers an unplug request
 * after we have given up on it, or that answers one twice and so ejects whatever disk has been given the slot in between.
 * What was taken away is in the persistent definition no longer, because a detach begins there; what is, belongs to the guest.
 * @returns what ends the watch.
 */
export function watchLosses({ virsh, events, turns, log }: Deps): () => void {
  const replug = async (serverId: string): Promise<void> => {
    await turns.alone(serverId, async () => {
      const view = await findDomain(virsh, serverId);
      if (view?.live == null || view.config === null) return;
      for (const disk of view.config.disks) {
        const volumeId = aliasOf(disk)?.slice(ALIAS.length) ?? '';
        if (!isUuid(volumeId) || diskOf(view.live, volumeId) !== undefined) continue;
        const xml = view.config.text.slice(disk.start, disk.end).replace(ADDRESS, '');
        await virsh.run(['attach-device', serverId, '--live'], { xml });
        countReplugged();
        log(`${view.name} has let go of volume ${volumeId}, which is attached: plugged in again`);
      }
    });
  };
  const look = async (servers: () => Promise<readonly string[]>): Promise<void> => {
    try {
      for (const serverId of await servers()) await replug(serverId);
    } catch (error) {
      // The next event, or the next start of the agent, looks again.
      log(`lost disks: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return events.subscribe((event) => {
    if (event.kind === 'gap')
      void look(async () => parseDomainList(await virsh.run(LIST_RUNNING)).map(({ uuid }) => uuid));
    else if (event.kind === 'device-removed' && event.alias.startsWith(ALIAS))
      void look(async () => [(await virsh.run(['domuuid', event.domain])).trim()]);
  });
}

const LIST_RUNNING = ['list', '--uuid', '--name'];
