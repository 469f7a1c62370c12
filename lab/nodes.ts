/** The two machines of the lab: what tells them apart. */
export interface Node {
  readonly name: 'storage' | 'compute';
  /** Of its network cards' addresses. */
  readonly number: number;
  /** On the private cable; the second IPv4 address is a second path, in a network of its own. */
  readonly addresses: readonly [ipv4: string, secondIpv4: string, ipv6: string];
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Units of the image that this role needs. */
  readonly wants: readonly string[];
  /** Kernel modules of this role, loaded at boot. */
  readonly modules: readonly string[];
}

export const STORAGE: Node = {
  name: 'storage',
  number: 1,
  addresses: ['10.77.0.1', '10.77.1.1', 'fd00::1'],
  memoryMiB: 1536,
  cpus: 2,
  wants: [],
  modules: ['dm_thin_pool', 'target_core_mod', 'target_core_iblock', 'iscsi_target_mod'],
};

export const COMPUTE: Node = {
  name: 'compute',
  number: 2,
  addresses: ['10.77.0.2', '10.77.1.2', 'fd00::2'],
  memoryMiB: 2048,
  cpus: 2,
  wants: ['iscsid.service', 'libvirtd.service'],
  modules: ['iscsi_tcp', 'kvm_amd'],
};
