import type { ComputeInventory, DiskItem, DomainItem } from '#schema/inventory.ts';
import type { Connector } from '../connectors/connector.ts';
import { findDomain } from '../disks/domain-view.ts';
import type { DomainDocument } from '../libvirt/domain-xml/domain-document.ts';
import { parseDomainList } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { type GuestSizes, guestSizes } from './guest-sizes.ts';
import { volumesIn } from './volumes-in.ts';

interface Deps {
  readonly virsh: Virsh;
  readonly connector: Pick<Connector, 'inventory'>;
}

/** Domains looked at together; virsh has as many shells, and tasks need one too. */
const AT_ONCE = 3;

/**
 * All that this hypervisor has of volumes, running or not, plugged in or left over. Those who ask at the same time get the
 * same answer.
 */
export function computeLister({ virsh, connector }: Deps): () => Promise<ComputeInventory> {
  let looking: Promise<ComputeInventory> | undefined;
  const look = async (): Promise<ComputeInventory> => {
    const list = parseDomainList(await virsh.run(['list', '--all', '--uuid', '--name']));
    const sizes = await guestSizes(virsh);
    const domains: DomainItem[] = [];
    const next = list.values();
    const work = async (): Promise<void> => {
      for (const { uuid } of next) {
        const domain = await readDomainOf(virsh, uuid, sizes);
        if (domain !== null) domains.push(domain);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return { domains, ...(await connector.inventory()) };
  };
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}

/** Null when it has gone since it was listed. */
async function readDomainOf(virsh: Virsh, id: string, sizes: GuestSizes): Promise<DomainItem | null> {
  const view = await findDomain(virsh, id);
  if (view === null) return null;
  const { name } = view;
  const live = disksOf(view.live)?.map((disk) => ({ ...disk, ...sizeOf(disk, sizes.get(name)) })) ?? null;
  return { id, name, live, config: disksOf(view.config) };
}

function sizeOf({ target }: DiskItem, sizes: ReadonlyMap<string, number> | undefined): Partial<DiskItem> {
  const sizeBytes = sizes?.get(target ?? '');
  return sizeBytes === undefined ? {} : { sizeBytes };
}

function disksOf(document: DomainDocument | null): DiskItem[] | null {
  return document === null ? null : volumesIn(document);
}
