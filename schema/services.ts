import type { ServicesTable } from './tables.ts';

type Binary = ServicesTable['binary'];

/** What clients of Cinder call our services; hypervisors are none of Cinder's. */
export const CINDER_BINARIES: Readonly<Record<Binary, string>> = {
  'blockyard-storage': 'cinder-volume',
  'blockyard-conductor': 'cinder-scheduler',
  'blockyard-backup': 'cinder-backup',
  'blockyard-compute': 'blockyard-compute',
};

const OURS: ReadonlyMap<string, Binary> = new Map([
  ...(Object.entries(CINDER_BINARIES) as [Binary, string][]).flatMap(([ours, theirs]): [string, Binary][] => [
    [ours, ours],
    [theirs, ours],
  ]),
  ['nova-compute', 'blockyard-compute'],
]);

/** The service that either name is of; undefined for none. */
export function ourBinary(name: string): Binary | undefined {
  return OURS.get(name);
}
