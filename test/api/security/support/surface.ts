import { z } from 'zod';
import type { Route } from '#api/http/route.ts';
import { identityRoutes } from '#api/identity/routes.ts';
import { imageRoutes } from '#api/image/routes.ts';
import { apiRoots, blockStorageRoutes, computeRoutes, decisions } from '#api/routes.ts';

/** One route as the security tests call it. */
export interface Target {
  /** `volume POST /volumes/{id}/action os-extend` */
  readonly key: string;
  readonly service: Service;
  readonly route: Route;
  /** The path's parts; parameters are in braces. */
  readonly parts: readonly string[];
}

export type Service = 'volume' | 'compute' | 'image' | 'identity';

export const VERSIONS: Readonly<Record<Service, string>> = {
  volume: 'volume 3.71',
  compute: 'compute 2.93',
  image: 'image',
  identity: 'identity',
};

const PREFIXES: Readonly<Record<Service, string>> = {
  volume: '/v3',
  compute: '/compute/v2.1',
  image: '/image/v2',
  identity: '/identity/v3',
};

/** What stands before a route's path. */
export function rootOf(service: Service, project: string): string {
  return service === 'volume' ? `${PREFIXES.volume}/${project}` : PREFIXES[service];
}

/** APIs that nobody has thought of yet; `/image` is another name of `/image/v2`. */
export function unknownRoots(): string[] {
  const known = new Set([...Object.values(PREFIXES), '/image']);
  return apiRoots.map(({ prefix }) => prefix).filter((prefix) => !known.has(prefix));
}

const TABLE: Readonly<Record<Service, readonly Route[]>> = {
  volume: blockStorageRoutes,
  compute: computeRoutes,
  image: imageRoutes,
  identity: identityRoutes,
};

/** Every route there is. */
export const ALL_TARGETS: readonly Target[] = (Object.keys(TABLE) as Service[]).flatMap((service) =>
  TABLE[service].map((route) => ({
    key: [service, route.method, route.path, ...(route.action === undefined ? [] : [route.action])].join(' '),
    service,
    route,
    parts: route.path.split('/').slice(1),
  })),
);

/** Those that answer where a file says who is who; the rest of identity has tests of its own. */
export const TARGETS: readonly Target[] = ALL_TARGETS.filter(
  ({ service, key }) => service !== 'identity' || /GET \/projects(\/\{id\})?$/.test(key),
);

/** Who may call it, as the dispatcher reads the route. */
export function roleOf({ service, route }: Target): 'admin' | 'member' | 'reader' {
  const who = decisions[service].of(route).who;
  return who === 'anyone' ? 'reader' : who;
}

/** Where an object or a value stands in a body. */
export type Place = readonly (string | number)[];

/** The schema of a body in JSON, as far as it has one. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly format?: string;
}

const ID_NAME =
  /(^|_)(uu)?ids?$|(^|_)volid$|[a-z]Ids?$|Ref$|^(member|owner|instance|volume_types?|group_type|(add|remove)_volumes)$/;

/** Where a body may name something by its id, whatever the field is called. */
export function idPlaces({ route }: Target): Place[] {
  const found: Place[] = [];
  const walk = (schema: JsonSchema, place: Place): void => {
    for (const inner of [...(schema.anyOf ?? []), ...(schema.allOf ?? [])]) walk(inner, place);
    if (schema.items !== undefined) walk(schema.items, [...place, 0]);
    for (const [name, inner] of Object.entries(schema.properties ?? {})) {
      const here = [...place, name];
      if (ID_NAME.test(name) || inner.format === 'uuid')
        found.push(inner.items === undefined ? here : [...here, 0]);
      walk(inner, here);
    }
  };
  if (route.body !== undefined) walk(jsonSchemaOf(route.body), []);
  return found;
}

/** A copy of the body with `value` at the place; what is missing on the way is made. */
export function withValue(body: unknown, place: Place, value: unknown): unknown {
  const [key, ...rest] = place;
  if (key === undefined) return value;
  if (typeof key === 'number') {
    const copy: unknown[] = Array.isArray(body) ? [...(body as unknown[])] : [];
    copy[key] = withValue(copy[key], rest, value);
    return copy;
  }
  const object = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  return { ...object, [key]: withValue(object[key], rest, value) };
}

/** Where the objects of a body stand. */
export function objectPlaces(body: unknown, place: Place = []): Place[] {
  if (typeof body !== 'object' || body === null) return [];
  const inner = Object.entries(body).flatMap(([key, value]) =>
    objectPlaces(value, [...place, Array.isArray(body) ? Number(key) : key]),
  );
  return Array.isArray(body) ? inner : [place, ...inner];
}
