import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';

export const REGION = 'blockyard';

const text = z.string();
export const catalog = z.array(
  z.strictObject({
    id: text,
    type: text,
    name: text,
    endpoints: z.array(
      z.strictObject({ id: text, interface: text, region: text, region_id: text, url: text }),
    ),
  }),
);
type Catalog = z.infer<typeof catalog>;

/**
 * Where each API is, as the client has come here; with it nobody has to say. Images that a Glance keeps are found there.
 * @param project whose; undefined for a token without one: block storage's newer clients need none in the path.
 */
export function catalogOf(
  { selfUrl, app }: Pick<RequestContext, 'selfUrl' | 'app'>,
  project: string | undefined,
): Catalog {
  const { origin } = new URL(selfUrl);
  const volumes = project === undefined ? `${origin}/v3` : `${origin}/v3/${project}`;
  return [
    service('identity', 'identity', `${origin}/identity/v3`),
    service('volumev3', 'block-storage', volumes),
    service('block-storage', 'block-storage', volumes),
    service('compute', 'compute', `${origin}/compute/v2.1`),
    ...(app.images.closed === null ? [service('image', 'image', `${origin}/image`)] : []),
  ];
}

function service(type: string, name: string, url: string): Catalog[number] {
  return {
    id: type,
    type,
    name,
    endpoints: ['public', 'internal', 'admin'].map((kind) => ({
      id: `${type}-${kind}`,
      interface: kind,
      region: REGION,
      region_id: REGION,
      url,
    })),
  };
}
