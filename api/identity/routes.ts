/** Keystone's API v3, as far as clients of block storage need it. */
import type { Route } from '#api/http/route.ts';
import { applicationCredentialRoutes } from './application-credentials/routes.ts';
import { assignmentRoutes } from './assignments/routes.ts';
import { authRoutes } from './auth/routes.ts';
import { domainRoutes } from './domains/routes.ts';
import { groupRoutes } from './groups/routes.ts';
import { projectRoutes } from './projects/routes.ts';
import { projectTagRoutes } from './projects/tag-routes.ts';
import { impliedRoleRoutes } from './roles/implied-routes.ts';
import { roleRoutes } from './roles/routes.ts';
import { serviceRoutes } from './services/routes.ts';
import { userRoutes } from './users/routes.ts';

export const identityRoutes: readonly Route[] = [
  ...authRoutes,
  ...domainRoutes,
  ...projectRoutes,
  ...projectTagRoutes,
  ...userRoutes,
  ...groupRoutes,
  ...applicationCredentialRoutes,
  ...roleRoutes,
  ...impliedRoleRoutes,
  ...assignmentRoutes,
  ...serviceRoutes,
];
