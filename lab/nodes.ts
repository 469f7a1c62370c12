import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineFile } from './machine/seed.ts';

/** What tells the lab's machines apart. */
export interface Node {
  readonly name: 'storage' | 'compute';
  /** Of its network cards' addresses. */
  readonly number: number;
  /** On the private cable; the second IPv4 address is a second path, in a network of its own. */
  readonly addresses: readonly [ipv4: string, secondIpv4: string, ipv6: string];
  readonly memoryMiB: number;
  /** Units that start at boot. */
  readonly wants: readonly string[];
  readonly files: readonly MachineFile[];
}

export const STORAGE: Node = {
  name: 'storage',
  number: 1,
  addresses: ['10.77.0.1', '10.77.1.1', 'fd77:b10c::1'],
  memoryMiB: 1536,
  wants: [],
  files: [packagedModules('blockyard-storage.conf')],
};

export const COMPUTE: Node = {
  name: 'compute',
  number: 2,
  addresses: ['10.77.0.2', '10.77.1.2', 'fd77:b10c::2'],
  memoryMiB: 2048,
  wants: ['iscsid.service', 'libvirtd.service'],
  files: [kernelModules('iscsi_tcp', 'kvm_amd')],
};

/** Loaded at boot. */
function kernelModules(...names: string[]): MachineFile {
  return { path: '/etc/modules-load.d/lab.conf', content: `${names.join('\n')}\n` };
}

/** What production loads at boot: the agent may not. */
function packagedModules(name: string): MachineFile {
  const file = join(import.meta.dirname, '../packaging/modules-load.d', name);
  return { path: `/etc/modules-load.d/${name}`, content: readFileSync(file, 'utf8') };
}
