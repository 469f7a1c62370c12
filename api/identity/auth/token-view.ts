import type { RequestContext } from '#api/http/context.ts';
import type { Session } from '../builtin/session.ts';
import { catalogOf } from '../catalog.ts';

/** Keystone's form, to the microsecond. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

/** What a token says in Keystone's words; without a scope there is no catalog. */
export function tokenView(context: Omit<RequestContext, 'caller'>, session: Session) {
  const { claims, user, userDomain, scope, roles, credential } = session;
  const withCatalog = scope.type !== 'none' && !new URLSearchParams(context.rawQuery).has('nocatalog');
  return {
    methods: claims.methods,
    user: { domain: userDomain, id: user.id, name: user.name, password_expires_at: null },
    audit_ids: claims.audit,
    expires_at: isoTime(claims.expires),
    issued_at: isoTime(claims.issued),
    ...(scope.type === 'project' && {
      project: { ...scope.project, domain: scope.domain },
      is_domain: false,
    }),
    ...(scope.type === 'domain' && { domain: scope.domain }),
    ...(scope.type === 'system' && { system: { all: true } }),
    ...(scope.type !== 'none' && { roles: roles.map(({ id, name }) => ({ id, name })) }),
    ...(credential && {
      application_credential: {
        id: credential.id,
        name: credential.name,
        restricted: !credential.unrestricted,
      },
    }),
    ...(withCatalog && { catalog: catalogOf(context, projectOf(session)) }),
  };
}

export function projectOf({ scope }: Session): string | undefined {
  return scope.type === 'project' ? scope.project.id : undefined;
}
