import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';

/** Cinder's names of the parts that are served here; clients look before they ask. */
const EXTENSIONS = [
  ['AvailabilityZones', 'os-availability-zone', 'Availability zones'],
  ['AdminActions', 'os-admin-actions', 'Reset status and forced deletion'],
  ['ExtendedServices', 'os-extended-services', 'Why a service is disabled'],
  ['Qos_specs_manage', 'qos-specs', 'QoS specs'],
  ['Quotas', 'os-quota-sets', 'Quotas'],
  ['Scheduler_stats', 'scheduler-stats', 'Storage pools'],
  ['Services', 'os-services', 'Services'],
  ['TypesExtraSpecs', 'os-types-extra-specs', "Types' extra specs"],
  ['TypesManage', 'os-types-manage', 'Management of types'],
  ['VolumeActions', 'os-volume-actions', 'Actions on volumes'],
  ['VolumeHostAttribute', 'os-vol-host-attr', "A volume's pool"],
  ['VolumeTenantAttribute', 'os-vol-tenant-attr', "A volume's project"],
] as const;

const extension = z.strictObject({
  name: z.string(),
  alias: z.string(),
  description: z.string(),
  updated: z.string(),
  links: z.array(z.unknown()).max(0),
});

export const extensionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/extensions',
    summary: 'List extensions',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ extensions: z.array(extension) }) },
    handle: () => {
      const extensions = EXTENSIONS.map(([name, alias, description]) => ({
        name,
        alias,
        description,
        updated: '2026-01-01T00:00:00+00:00',
        links: [],
      }));
      return { status: 200, body: { extensions } };
    },
  }),
];
