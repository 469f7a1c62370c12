import type { Login } from './identity.ts';

interface Wanted {
  readonly url: string;
  readonly admin: Login;
  /** Of the account that the api validates tokens with. */
  readonly servicePassword: string;
  /** Of the api, without a slash at the end. */
  readonly apiUrl: string;
  readonly region: string;
}

const DOMAIN = { id: 'default' };

/**
 * Tells a fresh Keystone of this stack, as an operator would: the api's own account, and where its services are. Again does no
 * harm.
 */
export async function registerAtKeystone(wanted: Wanted): Promise<void> {
  const token = await logIn(wanted);
  const call = async (method: string, path: string, body?: object): Promise<Response> => {
    const answer = await fetch(`${wanted.url}${path}`, {
      method,
      headers: { 'X-Auth-Token': token, 'Content-Type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (!answer.ok && answer.status !== 409)
      throw new Error(`Keystone answered ${answer.status} to ${method} ${path}`);
    return answer;
  };
  const find = async (plural: string, query: string): Promise<string | undefined> => {
    const body = (await (await call('GET', `/${plural}?${query}`)).json()) as Record<
      string,
      { id: string }[]
    >;
    return body[plural]?.[0]?.id;
  };
  const ensure = async (noun: string, query: string, fields: object): Promise<string> => {
    const known = await find(`${noun}s`, query);
    if (known !== undefined) return known;
    const made = (await (await call('POST', `/${noun}s`, { [noun]: fields })).json()) as Record<
      string,
      { id: string }
    >;
    return made[noun]!.id;
  };

  const service = await ensure('project', 'name=service', { name: 'service', domain_id: DOMAIN.id });
  const user = await ensure('user', 'name=blockyard', {
    name: 'blockyard',
    domain_id: DOMAIN.id,
    password: wanted.servicePassword,
  });
  const role = await ensure('role', 'name=service', { name: 'service' });
  await call('PUT', `/projects/${service}/users/${user}/roles/${role}`);
  for (const [type, name, url] of [
    ['volumev3', 'block-storage', `${wanted.apiUrl}/v3/$(project_id)s`],
    ['block-storage', 'block-storage-v3', `${wanted.apiUrl}/v3/$(project_id)s`],
    ['compute', 'compute', `${wanted.apiUrl}/compute/v2.1`],
    ['image', 'image', `${wanted.apiUrl}/image`],
  ] as const) {
    const id = await ensure('service', `type=${type}`, { type, name });
    const endpoint = await find('endpoints', `service_id=${id}&interface=public`);
    const fields = { endpoint: { service_id: id, interface: 'public', region_id: wanted.region, url } };
    if (endpoint === undefined) await call('POST', '/endpoints', fields);
    else await call('PATCH', `/endpoints/${endpoint}`, fields);
  }
}

async function logIn({ url, admin }: Wanted): Promise<string> {
  const domain = { name: admin.domain };
  const answer = await fetch(`${url}/auth/tokens?nocatalog`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: admin.user, domain, password: admin.password } },
        },
        scope: { project: { name: admin.project, domain } },
      },
    }),
  });
  const token = answer.headers.get('x-subject-token');
  if (token === null) throw new Error(`Keystone answered ${answer.status} to its administrator`);
  await answer.body?.cancel();
  return token;
}
