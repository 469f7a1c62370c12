/** Nova's word for libvirt's state; by number in virDomainState (libvirt-domain.h). */
const STATUS: Readonly<Record<string, string>> = {
  '1': 'ACTIVE', // running
  '2': 'ACTIVE', // blocked on a resource
  '3': 'PAUSED',
  '4': 'ACTIVE', // being shut down
  '5': 'SHUTOFF',
  '6': 'ERROR', // crashed
  '7': 'SUSPENDED', // by the guest's power management
};

/** Nova's server status of a libvirt state number as `domstats` tells it. */
export function serverStatus(state: string | undefined): string {
  return STATUS[state ?? ''] ?? 'UNKNOWN';
}
