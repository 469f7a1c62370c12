import type { RequestContext } from '#api/http/context.ts';

const REGION = 'blockyard';

/** Where each API is, as the client has come here; with it nobody has to say. Images that a Glance keeps are found there. */
export function catalogOf({ selfUrl, caller, app }: RequestContext): object[] {
  const { origin } = new URL(selfUrl);
  const volumes = `${origin}/v3/${caller.projectId}`;
  return [
    service('identity', 'identity', `${origin}/identity/v3`),
    service('volumev3', 'block-storage', volumes),
    service('block-storage', 'block-storage', volumes),
    service('compute', 'compute', `${origin}/compute/v2.1`),
    ...(app.images.closed === null ? [service('image', 'image', `${origin}/image`)] : []),
  ];
}

function service(type: string, name: string, url: string): object {
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
