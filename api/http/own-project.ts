import type { RequestContext } from './context.ts';
import { forbidden } from './errors.ts';

/**
 * Everybody's own project, any for administrators.
 * @param rule what the refusal names.
 * @throws ApiError 403
 */
export function checkOwnProject({ caller }: RequestContext, project: string, rule: string): void {
  if (project === caller.projectId || caller.isAdmin) return;
  throw forbidden(`Policy doesn't allow ${rule} to be performed.`);
}
