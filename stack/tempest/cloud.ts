import { openAsBlob } from 'node:fs';
import type { Cloud } from './configuration.ts';

export interface Access {
  /** Of the api, without a slash at the end. */
  readonly apiUrl: string;
  readonly identityUrl: string;
  readonly admin: Cloud['admin'];
}

const MEMORY_MIB = 96;
const DEFAULT_DOMAIN = { id: 'default' };

/** Puts into a fresh cloud what Tempest wants to find there: an image that everybody may boot, and a small flavor. */
export async function prepareCloud(
  access: Access,
  bootable: string,
): Promise<Pick<Cloud, 'image' | 'flavor'>> {
  const token = await logIn(access);
  const call = async <T>(path: string, method: string, body: object | Blob): Promise<T> => {
    const isData = body instanceof Blob;
    const response = await fetch(`${access.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': token,
        'Content-Type': isData ? 'application/octet-stream' : 'application/json',
      },
      body: isData ? body : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const { flavor } = await call<{ flavor: { id: string } }>('/compute/v2.1/flavors', 'POST', {
    flavor: { id: 'tempest', name: 'tempest', ram: MEMORY_MIB, vcpus: 1, disk: 0 },
  });
  const image = await call<{ id: string }>('/image/v2/images', 'POST', {
    name: 'tempest',
    disk_format: 'raw',
    container_format: 'bare',
    visibility: 'public',
  });
  await call(`/image/v2/images/${image.id}/file`, 'PUT', await openAsBlob(bootable));
  return { image: image.id, flavor: flavor.id };
}

async function logIn({ identityUrl, admin }: Access): Promise<string> {
  const user = { name: admin.user, domain: DEFAULT_DOMAIN, password: admin.password };
  const scope = { project: { name: admin.project, domain: DEFAULT_DOMAIN } };
  const response = await fetch(`${identityUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } }, scope } }),
  });
  const token = response.headers.get('X-Subject-Token');
  if (token === null) throw new Error(`the administrator cannot log in: ${await response.text()}`);
  return token;
}
