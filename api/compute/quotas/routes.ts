/**
 * Nova's "Limits", "Quota sets" and "Quota class sets", which are never set: `openstack limits show`, `quota show` and, in newer
 * versions, `quota delete` ask for servers' before they ask for volumes'.
 */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, noParams, upTo } from '#api/http/fields.ts';
import { checkOwnProject } from '#api/http/own-project.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import type { ProjectId } from '#schema/ids.ts';
import {
  absoluteLimits,
  limitsReply,
  quotaClassReply,
  quotaClassSet,
  quotaDetailReply,
  quotaDetails,
  quotaSet,
  quotaSetReply,
} from './schema.ts';
import { serversOf } from './used.ts';

const name = z.string().min(1).refine(upTo(255), { error: 'is too long' }).meta({ maxLength: 255 });
const projectParams = z.strictObject({ project: name });

function setOf({ microversion }: RequestContext, id: string): Reply {
  return { status: 200, body: { quota_set: { id, ...quotaSet(microversion) } } };
}

export const computeQuotaRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/limits',
    summary: 'Show what servers may use, and use',
    params: noParams,
    query: anyQuery,
    adminQueryNames: ['tenant_id'],
    replies: { 200: limitsReply },
    handle: async (context, { query }) => {
      const { app, caller, microversion } = context;
      const project = (query['tenant_id'] as ProjectId | undefined) ?? caller.projectId;
      checkOwnProject(context, project, 'os_compute_api:limits:other_project');
      const absolute = { ...absoluteLimits(microversion), ...(await serversOf(app.db, project)) };
      return { status: 200, body: { limits: { rate: [], absolute } } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}',
    summary: "Show a project's quotas of servers: none",
    params: projectParams,
    query: anyQuery,
    replies: { 200: quotaSetReply },
    handle: (context, { params: { project } }) => {
      checkOwnProject(context, project, 'os_compute_api:os-quota-sets:show');
      return setOf(context, project);
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-quota-sets/{project}',
    summary: "Put a project's quotas of servers back to the default ones, which they always are",
    params: projectParams,
    query: anyQuery,
    replies: { 202: null },
    handle: () => ({ status: 202 }),
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}/detail',
    summary: "Show a project's quotas of servers, and what is used of them",
    params: projectParams,
    query: anyQuery,
    replies: { 200: quotaDetailReply },
    handle: async (context, { params: { project } }) => {
      checkOwnProject(context, project, 'os_compute_api:os-quota-sets:detail');
      const used = await serversOf(context.app.db, project as ProjectId);
      return {
        status: 200,
        body: { quota_set: { id: project, ...quotaDetails(context.microversion, used) } },
      };
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}/defaults',
    summary: 'Show the default quotas of servers: none',
    params: projectParams,
    query: anyQuery,
    replies: { 200: quotaSetReply },
    handle: (context, { params: { project } }) => {
      // As volumes', on purpose: Nova shows those for any project to anybody.
      checkOwnProject(context, project, 'os_compute_api:os-quota-sets:defaults');
      return setOf(context, project);
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-class-sets/{class}',
    summary: "Show a quota class's quotas of servers: none",
    params: z.strictObject({ class: name }),
    query: anyQuery,
    replies: { 200: quotaClassReply },
    handle: ({ microversion }, { params }) => ({
      status: 200,
      body: { quota_class_set: { id: params.class, ...quotaClassSet(microversion) } },
    }),
  }),
];
