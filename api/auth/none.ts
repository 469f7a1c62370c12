import { type Authenticator, callerOf } from './authenticator.ts';

/** The project of requests that name none. */
const DEFAULT_PROJECT = '00000000000000000000000000000000';
const DEFAULT_USER = 'anonymous';

/** What Cinder's clients send when told to do without authentication. */
const USER_AND_PROJECT = /^([A-Za-z0-9_.-]{1,64}):([A-Za-z0-9_.-]{1,64})$/;

/**
 * Everybody is admin of the project that the path names, and of no other: projects stay apart even so. Where the path
 * names none, as compute's may, `X-Auth-Token: user:project` can, and ids of every project are known.
 * For a machine's own loopback only, see config.ts.
 */
export const noAuthentication: Authenticator = {
  authenticate(request, projectInPath) {
    const token = request.headers['x-auth-token'];
    const [, user, project] = (typeof token === 'string' ? USER_AND_PROJECT.exec(token) : null) ?? [];
    return {
      ...callerOf(projectInPath ?? project ?? DEFAULT_PROJECT, user ?? DEFAULT_USER, ['admin']),
      seesAllProjects: projectInPath === undefined,
    };
  },
  isAdminToken: () => true,
};
