import type { ServerReport } from '#schema/reports.ts';
import { parseXml } from '../libvirt/domain-xml/parse.ts';
import type { DomainEvents } from '../libvirt/events.ts';
import { parseDomainList, parseDomstats } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { serverStatus } from './status.ts';

/** In a domain's `<metadata>`: `<blockyard:instance xmlns:blockyard="…" project="…"/>`. */
export const METADATA_URI = 'https://blockyard.dev/xmlns/1';

/**
 * This host's domains as servers. Two virsh commands for all of them; a domain's metadata is read once and again only
 * after libvirt has said that the domain changed.
 */
export function serverLister(virsh: Virsh, events: DomainEvents): () => Promise<ServerReport[]> {
  const projects = new Map<string, string | null>();
  const uuids = new Map<string, string>();
  events.subscribe((event) => {
    if (event.kind === 'gap') projects.clear();
    else if (event.kind === 'lifecycle') projects.delete(uuids.get(event.domain) ?? '');
  });

  async function projectOf(uuid: string): Promise<string | null> {
    const known = projects.get(uuid);
    if (known !== undefined) return known;
    const project = await readProject(virsh, uuid);
    projects.set(uuid, project);
    return project;
  }

  return async () => {
    const domains = parseDomainList(await virsh.run(['list', '--all', '--uuid', '--name']));
    const stats = parseDomstats(await virsh.run(['domstats', '--state', '--vcpu', '--balloon', '--nowait']));
    uuids.clear();
    for (const { uuid, name } of domains) uuids.set(name, uuid);
    const servers: ServerReport[] = [];
    for (const { uuid, name } of domains) {
      const facts = stats.get(name);
      // Gone between the two commands.
      if (facts === undefined) continue;
      servers.push({
        id: uuid,
        name,
        projectId: await projectOf(uuid),
        status: serverStatus(facts.get('state.state')),
        vcpus: Number(facts.get('vcpu.current') ?? facts.get('vcpu.maximum') ?? 0),
        memoryMib: Math.round(Number(facts.get('balloon.maximum') ?? 0) / 1_024),
      });
    }
    return servers;
  };
}

async function readProject(virsh: Virsh, uuid: string): Promise<string | null> {
  try {
    const element = parseXml(await virsh.run(['metadata', uuid, '--uri', METADATA_URI]));
    return element.attributes['project'] ?? null;
  } catch (error) {
    if (isVirshFailure(error, 'metadata-not-found', 'domain-not-found')) return null;
    throw error;
  }
}
