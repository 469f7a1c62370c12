import type { Caller } from '#api/http/context.ts';
import { type ApiError, forbidden } from '#api/http/errors.ts';
import type { Route } from '#api/http/route.ts';
import type { Policy, Who } from './rule.ts';

interface Decision {
  /** Its name. */
  readonly rule: string;
  readonly who: Who;
}

/** What holds for a route that the policy does not name. */
const UNNAMED: Decision = { rule: 'blockyard:unnamed', who: 'admin' };

/** One API's policy, laid over its routes. */
export interface Decisions {
  of(route: Route): Decision;
  /**
   * @param project what the path names, if it names one.
   * @throws ApiError 403 in the service's own words.
   */
  check(route: Route, caller: Caller, project: string | undefined): void;
}

/** @param words what the service tells those who may not. */
export function decide(policy: Policy, routes: readonly Route[], words: (rule: string) => string): Decisions {
  const byOperation = new Map<string, Decision>();
  for (const [rule, [who, ...operations]] of Object.entries(policy)) {
    for (const operation of operations) byOperation.set(anonymous(operation), { rule, who });
  }
  const decisions = new Map(routes.map((route) => [route, byOperation.get(operationOf(route))]));
  const refusal = (rule: string): ApiError => forbidden(words(rule));
  return {
    of: (route) => decisions.get(route) ?? UNNAMED,
    check(route, caller, project) {
      const { rule, who } = decisions.get(route) ?? UNNAMED;
      if (!permits(who, caller, project)) throw refusal(rule);
    },
  };
}

/** Whether a caller may, as far as roles and scope go; whose thing it is, handlers find out. */
function permits(who: Who, caller: Caller, project: string | undefined): boolean {
  if (who === 'anyone') return true;
  // Without a project there is nobody to make things for.
  if (caller.isAdmin) return who !== 'member' || caller.scope === 'project' || project !== undefined;
  if (who === 'admin' || caller.scope !== 'project') return false;
  return caller.roles.includes('member') || (who === 'reader' && caller.roles.includes('reader'));
}

/** `METHOD /path/{}#action`: what a parameter is called does not matter. */
export function operationOf({ method, path, action }: Pick<Route, 'method' | 'path' | 'action'>): string {
  return anonymous(`${method} ${path}${action === undefined ? '' : `#${action}`}`);
}

export function anonymous(operation: string): string {
  return operation.replaceAll(/\{[^}]*\}/g, '{}');
}
