import assert from 'node:assert/strict';
import { ADMIN, type IdentityApi, type Scope } from '#test/api/support/identity.ts';

/** Who asks, each with a token of its own. */
export const PERSONAS = [
  'admin',
  'member',
  'reader',
  'service',
  'no role that counts',
  'another project’s member',
  'domain admin',
  'system admin',
  'system reader',
  'nobody in particular',
] as const;
export type Persona = (typeof PERSONAS)[number];

export interface Cast {
  readonly tokens: Readonly<Record<Persona, string>>;
  /** Which project their tokens are for. */
  readonly projects: Readonly<Partial<Record<Persona, string>>>;
}

const PASSWORD = 'their password';

/** Makes a user for each persona, through the API itself. */
export async function gather(api: IdentityApi, adminProject: string): Promise<Cast> {
  const admin = await api.token(
    { name: ADMIN.user, password: ADMIN.password },
    { project: { id: adminProject } },
  );
  const make = async (noun: string, fields: object): Promise<string> => {
    const { status, body } = await api.identity('POST', `/${noun}s`, admin, { [noun]: fields });
    assert.equal(status, 201, JSON.stringify(body));
    return body[noun].id;
  };
  const project = await make('project', { name: 'own' });
  const otherProject = await make('project', { name: 'other' });
  await make('role', { name: 'dancer' });
  const { body } = await api.identity('GET', '/roles', admin);
  const roles = new Map<string, string>(
    (body.roles as { name: string; id: string }[]).map(({ name, id }) => [name, id]),
  );

  const cast = async (name: string, role: string, scope: Scope, where: string): Promise<string> => {
    const user = await make('user', { name, password: PASSWORD });
    const path = `/${where}/users/${user}/roles/${roles.get(role)}`;
    assert.equal((await api.identity('PUT', path, admin)).status, 204, path);
    return api.token({ name, password: PASSWORD }, scope);
  };
  const inProject = (name: string, role: string) =>
    cast(name, role, { project: { id: project } }, `projects/${project}`);

  const tokens: Record<Persona, string> = {
    admin: await inProject('ada', 'admin'),
    member: await inProject('max', 'member'),
    reader: await inProject('rita', 'reader'),
    service: await inProject('nova', 'service'),
    'no role that counts': await inProject('dora', 'dancer'),
    'another project’s member': await cast(
      'eve',
      'member',
      { project: { id: otherProject } },
      `projects/${otherProject}`,
    ),
    'domain admin': await cast('dan', 'admin', { domain: { id: 'default' } }, 'domains/default'),
    'system admin': await cast('sam', 'admin', { system: { all: true } }, 'system'),
    'system reader': await cast('sid', 'reader', { system: { all: true } }, 'system'),
    'nobody in particular': await api.token({ name: 'max', password: PASSWORD }, 'unscoped'),
  };
  const projects = {
    admin: project,
    member: project,
    reader: project,
    service: project,
    'no role that counts': project,
    'another project’s member': otherProject,
  };
  return { tokens, projects };
}
