import { TaskError } from '#schema/tasks.ts';
import { childNamed } from '../libvirt/domain-xml/element.ts';
import { parseXml } from '../libvirt/domain-xml/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { VirshError } from '../libvirt/virsh/virsh-error.ts';

export const DOMAIN_TYPES = ['auto', 'kvm', 'qemu'] as const;
export type DomainTypeSetting = (typeof DOMAIN_TYPES)[number];

/** What servers on this host are made of, as its libvirt offers it. */
export interface Machine {
  readonly type: 'kvm' | 'qemu';
  readonly machine: 'pc' | 'q35';
  readonly emulator: string;
}

/** A PC takes disks into its root bus while it runs; a q35 needs a port made ready for each. */
const MACHINES = ['pc', 'q35'] as const;

/**
 * Finds out once: KVM where libvirt offers it, plain emulation elsewhere.
 * @throws TaskError `invalid` when libvirt offers neither for x86_64.
 */
export function machineChooser(virsh: Virsh, setting: DomainTypeSetting): () => Promise<Machine> {
  let chosen: Machine | undefined;
  return async () => (chosen ??= await choose(virsh, setting));
}

async function choose(virsh: Virsh, setting: DomainTypeSetting): Promise<Machine> {
  let refusal = 'no answer';
  for (const type of setting === 'auto' ? (['kvm', 'qemu'] as const) : [setting]) {
    for (const machine of MACHINES) {
      try {
        const asked = ['--virttype', type, '--arch', 'x86_64', '--machine', machine];
        const document = parseXml(await virsh.run(['domcapabilities', ...asked]));
        const emulator = childNamed(document, 'path')?.text.trim();
        if (emulator !== undefined && emulator !== '') return { type, machine, emulator };
      } catch (error) {
        if (!(error instanceof VirshError) || error.failure === 'disconnected') throw error;
        refusal = error.message;
      }
    }
  }
  throw new TaskError('invalid', `libvirt on this host offers no x86_64 machine: ${refusal}`);
}
