import { findDomain } from '../disks/domain-view.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';

/** QEMU logs in to each of its volumes while it starts. */
const START_WITHIN_MS = 120_000;

/** Starts a domain unless it runs. @throws VirshError */
export async function startDomain(virsh: Virsh, serverId: string): Promise<void> {
  if ((await findDomain(virsh, serverId))?.live != null) return;
  try {
    await virsh.run(['start', serverId], { timeoutMs: START_WITHIN_MS });
  } catch (error) {
    // Somebody else, libvirt's own autostart perhaps, was quicker.
    if ((await findDomain(virsh, serverId))?.live == null) throw error;
  }
}

/** Switches a domain off, as pulling its plug would; one that is off or gone already is fine. @throws VirshError */
export async function cutPower(virsh: Virsh, serverId: string): Promise<void> {
  try {
    await virsh.run(['destroy', serverId]);
  } catch (error) {
    if ((await findDomain(virsh, serverId))?.live != null) throw error;
  }
}
