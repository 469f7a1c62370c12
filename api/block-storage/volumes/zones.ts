import type { App } from '#api/http/context.ts';
import { badRequest, invalidInput } from '#api/http/errors.ts';
import { repr } from '#api/http/python.ts';
import { zonesOf } from '#queues/placement/extra-specs.ts';
import type { VolumeRow } from './rows.ts';

/** One or more: placement chooses among them. */
type Zones = readonly [string, ...string[]];

interface Asked {
  readonly zone: string | null | undefined;
  /** That of its group, which is the only one whatever is asked. */
  readonly groupZone: string | undefined;
  /** The volume in whose zone a copy must lie. */
  readonly origin: VolumeRow | undefined;
  /** What it is copied from, in words. */
  readonly copied: 'snapshot' | 'source volume';
  /** The extra specs of its type. */
  readonly specs: Readonly<Record<string, string>>;
}

/**
 * Where a new volume may lie: in its group's zone, in the one that is asked for, its source's, any of its type's, or the default one, whichever
 * comes first.
 * @throws ApiError 400 in Cinder's words when its type is for other zones, or its source lies elsewhere
 */
export async function chooseZones(app: App, asked: Asked): Promise<Zones> {
  const { zone, groupZone, origin, copied, specs } = asked;
  const ofType = await typeZones(app, specs);
  const wanted = groupZone ?? zone ?? origin?.availability_zone;
  if (wanted === undefined || wanted === null) return ofType ?? [app.defaultAvailabilityZone];
  if (ofType !== null) {
    if (!ofType.includes(wanted)) throw noZone(wanted);
  } else if (wanted !== origin?.availability_zone) {
    await existingZone(app, wanted);
  }
  if (origin !== undefined && wanted !== origin.availability_zone)
    throw invalidInput(`Volume must be in the same availability zone as the ${copied}`);
  return [wanted];
}

/** A zone exists when it is the default one or some service is in it. @throws ApiError 400 when there is none of that name */
export async function existingZone(app: App, zone: string): Promise<string> {
  if (!(await knownZones(app, [zone])).has(zone)) throw noZone(zone);
  return zone;
}

/** Those of a type's zones that exist; null when it is for all. @throws ApiError 400 when there is none */
async function typeZones(app: App, specs: Asked['specs']): Promise<Zones | null> {
  const zones = zonesOf(specs);
  if (zones === null) return null;
  const known = await knownZones(app, zones);
  const [first, ...others] = zones.filter((zone) => known.has(zone));
  if (first === undefined) throw onlyIn(zones);
  return [first, ...others];
}

async function knownZones(app: App, zones: readonly string[]): Promise<ReadonlySet<string>> {
  const known = new Set([app.defaultAvailabilityZone]);
  const unknown = zones.filter((zone) => !known.has(zone));
  if (unknown.length === 0) return known;
  const services = await app.db
    .selectFrom('services')
    .select('availability_zone')
    .where('availability_zone', 'in', unknown)
    .distinct()
    .execute();
  for (const service of services) known.add(service.availability_zone);
  return known;
}

/** @throws ApiError 400 when a volume of a type with these specs may not lie in the zone. */
export function checkTypeZone(specs: Asked['specs'], zone: string): void {
  const zones = zonesOf(specs);
  if (zones !== null && !zones.includes(zone)) throw onlyIn(zones);
}

const onlyIn = (zones: readonly string[]) =>
  badRequest(`Volume type is only supported in these availability zones: ${repr(zones)}`);

const noZone = (zone: string) => badRequest(`Availability zone '${zone}' is invalid.`);
