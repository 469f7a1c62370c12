import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { anyQuery, idParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { findGroup } from './rows.ts';
import * as schema from './schema.ts';

/** No back end here replicates, so no group is one that does. @throws ApiError 400 in Cinder's words */
async function refuse(context: RequestContext, id: string): Promise<never> {
  const group = await findGroup(context, id);
  throw badRequest(`Invalid group type: Group ${group.id} is not a replication group type.`);
}

const common = {
  method: 'POST',
  path: '/groups/{id}/action',
  since: 38,
  params: idParams,
  query: anyQuery,
} as const;

export const replicationRoutes: readonly Route[] = [
  route({
    ...common,
    action: 'enable_replication',
    summary: "Enable a group's replication",
    body: schema.enableReplicationBody,
    replies: { 202: null },
    handle: (context, { params }) => refuse(context, params.id),
  }),
  route({
    ...common,
    action: 'disable_replication',
    summary: "Disable a group's replication",
    body: schema.disableReplicationBody,
    replies: { 202: null },
    handle: (context, { params }) => refuse(context, params.id),
  }),
  route({
    ...common,
    action: 'failover_replication',
    summary: 'Fail a replicated group over',
    body: schema.failoverReplicationBody,
    replies: { 202: null },
    handle: (context, { params }) => refuse(context, params.id),
  }),
  route({
    ...common,
    action: 'list_replication_targets',
    summary: "List a group's replication targets",
    body: schema.listReplicationTargetsBody,
    replies: { 202: null },
    handle: (context, { params }) => refuse(context, params.id),
  }),
];
