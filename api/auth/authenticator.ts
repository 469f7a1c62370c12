import type { IncomingMessage } from 'node:http';
import type { Caller, CallerScope } from '#api/http/context.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';

/** One way to find out who asks. Keystone would be another. */
export interface Authenticator {
  /**
   * @param projectInPath what the path names as the project, if it does.
   * @throws ApiError 401 when the request proves nobody.
   */
  authenticate(request: IncomingMessage, projectInPath: string | undefined): Promise<Caller> | Caller;
  /** For the dashboard: true when this is an admin's token. */
  isAdminToken(token: string): Promise<boolean> | boolean;
}

/** Cinder's roles: an admin may do everything, a reader only looks. */
export function callerOf(
  projectId: string,
  userId: string,
  roles: readonly string[],
  scope: CallerScope = 'project',
): Caller {
  const isAdmin = roles.includes('admin') && (scope === 'project' || scope === 'system');
  return {
    projectId: projectId as ProjectId,
    userId: userId as UserId,
    roles,
    isAdmin,
    seesAllProjects: isAdmin,
    scope,
  };
}
