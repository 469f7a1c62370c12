import { z } from 'zod';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { metadataReply, metaReply } from '../volumes/schema.ts';
import { createSnapshot } from './create.ts';
import { deleteSnapshot, forceDeleteSnapshot } from './delete.ts';
import { readSnapshots, SNAPSHOT_LIST_QUERY } from './list.ts';
import { metaBody, metadataBody } from './metadata-body.ts';
import { findSnapshot } from './rows.ts';
import * as schema from './schema.ts';
import { resetStatus, updateStatus } from './status.ts';
import { changeMetadata, updateSnapshot } from './update.ts';
import { extendedView, summaryView } from './view.ts';

const keyParams = z.strictObject({ id: z.string(), key: z.string() });

function missing(id: string, key: string): ApiError {
  return new ApiError(404, `Snapshot ${id.slice(0, 255)} has no metadata with key ${key.slice(0, 255)}.`);
}

export const snapshotRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/snapshots',
    summary: 'List snapshots',
    params: noParams,
    query: anyQuery,
    ...SNAPSHOT_LIST_QUERY,
    replies: { 200: schema.snapshotsReply },
    handle: async (context, { query }) => {
      const { rows, beside } = await readSnapshots(context, query, 'snapshots');
      return { status: 200, body: { snapshots: rows.map(summaryView), ...beside } };
    },
  }),
  route({
    method: 'POST',
    path: '/snapshots',
    summary: 'Create a snapshot',
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 202: schema.plainReply },
    handle: (context, { body }) => createSnapshot(context, body.snapshot),
  }),
  route({
    method: 'GET',
    path: '/snapshots/detail',
    summary: 'List snapshots with details',
    params: noParams,
    query: anyQuery,
    ...SNAPSHOT_LIST_QUERY,
    replies: { 200: schema.snapshotsDetailReply },
    handle: async (context, { query }) => {
      const { rows, beside } = await readSnapshots(context, query, 'snapshots/detail');
      return { status: 200, body: { snapshots: rows.map((row) => extendedView(context, row)), ...beside } };
    },
  }),
  route({
    method: 'GET',
    path: '/snapshots/{id}',
    summary: 'Show a snapshot',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.snapshotReply },
    handle: async (context, { params }) => {
      const snapshot = extendedView(context, await findSnapshot(context, params.id));
      return { status: 200, body: { snapshot } };
    },
  }),
  route({
    method: 'PUT',
    path: '/snapshots/{id}',
    summary: 'Update a snapshot',
    params: idParams,
    query: anyQuery,
    body: schema.updateBody,
    replies: { 200: schema.plainReply },
    handle: (context, { params, body }) => updateSnapshot(context, params.id, body.snapshot),
  }),
  route({
    method: 'DELETE',
    path: '/snapshots/{id}',
    summary: 'Delete a snapshot',
    params: idParams,
    query: anyQuery,
    replies: { 202: null },
    handle: (context, { params }) => deleteSnapshot(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/snapshots/{id}/action',
    action: 'os-reset_status',
    summary: "Reset a snapshot's status",
    params: idParams,
    query: anyQuery,
    body: schema.resetStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) => resetStatus(context, params.id, body['os-reset_status'].status),
  }),
  route({
    method: 'POST',
    path: '/snapshots/{id}/action',
    action: 'os-update_snapshot_status',
    summary: "Tell a snapshot's status and progress",
    params: idParams,
    query: anyQuery,
    body: schema.updateStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) =>
      updateStatus(context, params.id, body['os-update_snapshot_status']),
  }),
  route({
    method: 'POST',
    path: '/snapshots/{id}/action',
    action: 'os-force_delete',
    summary: 'Force a snapshot to be deleted',
    params: idParams,
    query: anyQuery,
    body: schema.forceDeleteBody,
    replies: { 202: null },
    handle: (context, { params }) => forceDeleteSnapshot(context, params.id),
  }),
  route({
    method: 'GET',
    path: '/snapshots/{id}/metadata',
    summary: "Show a snapshot's metadata",
    params: idParams,
    query: anyQuery,
    replies: { 200: metadataReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: { metadata: JSON.parse((await findSnapshot(context, params.id)).metadata) as unknown },
    }),
  }),
  route({
    method: 'POST',
    path: '/snapshots/{id}/metadata',
    summary: "Add to a snapshot's metadata",
    params: idParams,
    query: anyQuery,
    body: metadataBody,
    replies: { 200: metadataReply },
    handle: async (context, { params, body }) => {
      const metadata = await changeMetadata(context, params.id, (old) => ({ ...old, ...body.metadata }));
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    method: 'PUT',
    path: '/snapshots/{id}/metadata',
    summary: "Replace a snapshot's metadata",
    params: idParams,
    query: anyQuery,
    body: metadataBody,
    replies: { 200: metadataReply },
    handle: async (context, { params, body }) => {
      const metadata = await changeMetadata(context, params.id, () => body.metadata);
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    method: 'GET',
    path: '/snapshots/{id}/metadata/{key}',
    summary: "Show one item of a snapshot's metadata",
    params: keyParams,
    query: anyQuery,
    replies: { 200: metaReply },
    handle: async (context, { params: { id, key } }) => {
      const metadata = JSON.parse((await findSnapshot(context, id)).metadata) as Record<string, string>;
      if (!Object.hasOwn(metadata, key)) throw missing(id, key);
      return { status: 200, body: { meta: { [key]: metadata[key] } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/snapshots/{id}/metadata/{key}',
    summary: "Set one item of a snapshot's metadata",
    params: keyParams,
    query: anyQuery,
    body: metaBody,
    replies: { 200: metaReply },
    handle: async (context, { params: { id, key }, body: { meta } }) => {
      if (!Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch');
      if (Object.keys(meta).length > 1) throw badRequest('Request body contains too many items');
      await changeMetadata(context, id, (old) => ({ ...old, ...meta }));
      return { status: 200, body: { meta } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/snapshots/{id}/metadata/{key}',
    summary: "Delete one item of a snapshot's metadata",
    params: keyParams,
    query: anyQuery,
    replies: { 200: null },
    handle: async (context, { params: { id, key } }) => {
      await changeMetadata(context, id, (old) => {
        if (!Object.hasOwn(old, key)) throw missing(id, key);
        return Object.fromEntries(Object.entries(old).filter(([name]) => name !== key));
      });
      return { status: 200 };
    },
  }),
];
