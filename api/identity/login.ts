import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import type { Login } from '#api/http/dispatch.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { parseInput } from '#api/http/validation.ts';
import { passwordLogin } from './auth/password-login.ts';
import { tokenReply } from './auth/schema.ts';
import { isoTime } from './auth/token-view.ts';
import { loginBody } from './builtin/wire.ts';
import { catalogOf } from './catalog.ts';
import { DOMAIN } from './domain.ts';

/** Clients ask for another one by then; the tokens themselves do not run out. */
const VALID_MS = 24 * 3_600_000;

/** Of Keystone's ways to prove who one is, the one that fits tokens which an administrator has given out. */
const body = z.looseObject({
  auth: z.looseObject({
    identity: z.looseObject({
      methods: z.tuple([z.literal('token')], {
        error:
          'must be ["token"]: log in with the token that you were given (openstack --os-auth-type v3token)',
      }),
      // It goes back in a header.
      token: z.looseObject({ id: z.string().regex(/^[\x21-\x7e]+$/, { error: 'is not a token' }) }),
    }),
    scope: z.looseObject({ project: z.looseObject({ id: z.string().optional() }).optional() }).optional(),
  }),
});

/** Keystone's "Token authentication with scoped authorization": says what the token is good for, and where everything is. */
export const login: Login = {
  path: '/auth/tokens',
  asks: loginBody,
  answers: tokenReply,
  answer: async (context, sent, identify) => {
    const { identity } = context.app;
    if (identity !== undefined) return passwordLogin(context, identity, sent);
    const { identity: proof, scope } = parseInput(body, sent).auth;
    const caller = await identify(proof.token.id);
    return answer({ ...context, caller }, proof.token.id, scope?.project?.id);
  },
};

function answer(context: RequestContext, token: string, project: string | undefined): Reply {
  const { app, caller } = context;
  if (project !== undefined && project !== caller.projectId) {
    throw new ApiError(401, 'The token is another project’s.');
  }
  const now = app.clock.now();
  return {
    status: 201,
    headers: { 'X-Subject-Token': token },
    body: {
      token: {
        methods: ['token'],
        user: { id: caller.userId, name: caller.userId, domain: DOMAIN, password_expires_at: null },
        project: { id: caller.projectId, name: caller.projectId, domain: DOMAIN },
        is_domain: false,
        roles: caller.roles.map((role) => ({ id: role, name: role })),
        catalog: catalogOf(context, caller.projectId),
        audit_ids: [],
        issued_at: isoTime(now),
        expires_at: isoTime(now + VALID_MS),
      },
    },
  };
}
