import { type Authenticator, callerOf } from './authenticator.ts';

/** The project of requests whose path names none. */
const DEFAULT_PROJECT = '00000000000000000000000000000000';
const USER = 'anonymous';

/**
 * Everybody is admin of the project that the path names, and of no other: projects stay apart even so. Where the path
 * names none, as compute's may, ids of every project are known.
 * For a machine's own loopback only, see config.ts.
 */
export const noAuthentication: Authenticator = {
  authenticate: (_request, projectInPath) => ({
    ...callerOf(projectInPath ?? DEFAULT_PROJECT, USER, ['admin']),
    seesAllProjects: projectInPath === undefined,
  }),
  isAdminToken: () => true,
};
