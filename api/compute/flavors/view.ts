import type { RequestContext } from '#api/http/context.ts';
import { extraSpecsOf, type FlavorRow } from './rows.ts';

/** Microversions of Nova that changed these views. */
const DESCRIPTION_SINCE = 55;
const EXTRA_SPECS_SINCE = 61;
const SWAP_NUMBER_SINCE = 75;

export function summaryView(context: RequestContext, row: FlavorRow) {
  const path = `flavors/${encodeURIComponent(row.id)}`;
  return {
    id: row.id,
    name: row.name,
    links: [
      { rel: 'self', href: `${context.selfUrl}/${path}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/${path}` },
    ],
    ...(context.microversion >= DESCRIPTION_SINCE && { description: row.description }),
  };
}

export function detailView(context: RequestContext, row: FlavorRow) {
  const { microversion } = context;
  return {
    ...summaryView(context, row),
    vcpus: row.vcpus,
    ram: row.ram_mib,
    disk: row.disk_gib,
    swap: microversion >= SWAP_NUMBER_SINCE ? (0 as const) : ('' as const),
    rxtx_factor: 1,
    'OS-FLV-EXT-DATA:ephemeral': 0 as const,
    'OS-FLV-DISABLED:disabled': false as const,
    'os-flavor-access:is_public': row.is_public === 1,
    ...(microversion >= EXTRA_SPECS_SINCE && { extra_specs: extraSpecsOf(row) }),
  };
}
