import { badRequest } from '#api/http/errors.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { createGroupSnapshot } from '../group-snapshots/create.ts';
import { deleteGroupSnapshot } from '../group-snapshots/delete.ts';
import { deleteGroup } from '../groups/delete.ts';
import { CONSISTENCY_GROUP_LIST_QUERY } from '../groups/list.ts';
import { changeGroup, copyGroup, listGroups, refuseGroup, showGroup } from './groups.ts';
import * as schema from './schema.ts';
import { listSnapshots, showSnapshot } from './snapshots.ts';

const query = anyQuery;

const groupRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/consistencygroups',
    summary: 'List groups, by an older name',
    params: noParams,
    query,
    ...CONSISTENCY_GROUP_LIST_QUERY,
    replies: { 200: schema.groupsReply },
    handle: (context, input) => listGroups(context, input.query, false),
  }),
  route({
    method: 'GET',
    path: '/consistencygroups/detail',
    summary: 'List groups with details, by an older name',
    params: noParams,
    query,
    ...CONSISTENCY_GROUP_LIST_QUERY,
    replies: { 200: schema.groupsDetailReply },
    handle: (context, input) => listGroups(context, input.query, true),
  }),
  route({
    method: 'POST',
    path: '/consistencygroups',
    summary: 'Create a consistency group: refused, for no back end can keep one',
    params: noParams,
    query,
    body: schema.createBody,
    replies: { 202: schema.madeReply },
    handle: (context, { body }) => refuseGroup(context, body.consistencygroup),
  }),
  route({
    method: 'POST',
    path: '/consistencygroups/create_from_src',
    summary: 'Create a group from another or from a group snapshot, by an older name',
    params: noParams,
    query,
    body: schema.fromSourceBody,
    replies: { 202: schema.madeReply },
    handle: (context, { body }) => copyGroup(context, body['consistencygroup-from-src']),
  }),
  route({
    method: 'GET',
    path: '/consistencygroups/{id}',
    summary: 'Show a group, by an older name',
    params: idParams,
    query,
    replies: { 200: schema.groupReply },
    handle: (context, { params }) => showGroup(context, params.id),
  }),
  ...['/consistencygroups/{id}', '/consistencygroups/{id}/update'].map((path) =>
    route({
      method: 'PUT',
      path,
      summary: 'Update a group, by an older name',
      params: idParams,
      query,
      body: schema.updateBody,
      replies: { 202: null },
      handle: (context, { params, body }) => changeGroup(context, params.id, body.consistencygroup),
    }),
  ),
  route({
    method: 'POST',
    path: '/consistencygroups/{id}/delete',
    summary: 'Delete a group, by an older name',
    params: idParams,
    query,
    body: schema.deleteBody,
    replies: { 202: null },
    handle: (context, { params, body }) =>
      deleteGroup(context, params.id, body.consistencygroup.force === true),
  }),
];

const snapshotRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/cgsnapshots',
    summary: 'List group snapshots, by an older name',
    params: noParams,
    query,
    queryNames: ['limit', 'offset'],
    replies: { 200: schema.snapshotsReply },
    handle: (context, input) => listSnapshots(context, input.query, false),
  }),
  route({
    method: 'GET',
    path: '/cgsnapshots/detail',
    summary: 'List group snapshots with details, by an older name',
    params: noParams,
    query,
    queryNames: ['limit', 'offset'],
    replies: { 200: schema.snapshotsDetailReply },
    handle: (context, input) => listSnapshots(context, input.query, true),
  }),
  route({
    method: 'POST',
    path: '/cgsnapshots',
    summary: 'Create a group snapshot, by an older name',
    params: noParams,
    query,
    body: schema.snapshotBody,
    replies: { 202: schema.madeSnapshotReply },
    async handle(context, { body: { cgsnapshot: wanted } }) {
      const { name, description, consistencygroup_id: group_id } = wanted;
      if (group_id === undefined) throw badRequest("'consistencygroup_id' must be specified");
      const { status, body } = await createGroupSnapshot(context, {
        name,
        description,
        group_id: group_id ?? 'None',
      });
      const made = (body as { group_snapshot: { id: string; name: string | null } }).group_snapshot;
      return { status, body: { cgsnapshot: { id: made.id, name: made.name } } };
    },
  }),
  route({
    method: 'GET',
    path: '/cgsnapshots/{id}',
    summary: 'Show a group snapshot, by an older name',
    params: idParams,
    query,
    replies: { 200: schema.snapshotReply },
    handle: (context, { params }) => showSnapshot(context, params.id),
  }),
  route({
    method: 'DELETE',
    path: '/cgsnapshots/{id}',
    summary: 'Delete a group snapshot, by an older name',
    params: idParams,
    query,
    replies: { 202: null },
    handle: (context, { params }) => deleteGroupSnapshot(context, params.id),
  }),
];

/** Cinder's older words for groups (its API reference, "Consistency groups" and "Consistency group snapshots"). */
export const consistencyGroupRoutes: readonly Route[] = [...groupRoutes, ...snapshotRoutes];
