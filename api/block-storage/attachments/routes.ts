import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { createAttachment } from './create.ts';
import { deleteAttachment } from './delete.ts';
import { ATTACHMENT_LIST_QUERY, listAttachments } from './list.ts';
import { findAttachment } from './rows.ts';
import * as schema from './schema.ts';
import { completeAttachment, updateAttachment } from './update.ts';
import { detailView, summaryView } from './view.ts';

/** Attachments of this shape exist from 3.27, and can be completed from 3.44. */
const SINCE = 27;
const COMPLETE_SINCE = 44;

export const attachmentRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/attachments',
    summary: 'List attachments',
    since: SINCE,
    params: noParams,
    query: anyQuery,
    ...ATTACHMENT_LIST_QUERY,
    replies: { 200: schema.attachmentsReply },
    handle: async (context, { query }) => {
      const rows = await listAttachments(context, query);
      return { status: 200, body: { attachments: rows.map(summaryView) } };
    },
  }),
  route({
    method: 'POST',
    path: '/attachments',
    summary: 'Create an attachment',
    since: SINCE,
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 200: schema.attachmentReply },
    handle: (context, { body }) => createAttachment(context, body.attachment),
  }),
  route({
    method: 'GET',
    path: '/attachments/detail',
    summary: 'List attachments with details',
    since: SINCE,
    params: noParams,
    query: anyQuery,
    ...ATTACHMENT_LIST_QUERY,
    replies: { 200: schema.attachmentsDetailReply },
    handle: async (context, { query }) => {
      const rows = await listAttachments(context, query);
      return { status: 200, body: { attachments: rows.map((row) => detailView(context, row)) } };
    },
  }),
  route({
    method: 'GET',
    path: '/attachments/{id}',
    summary: 'Show an attachment',
    since: SINCE,
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.attachmentReply },
    handle: async (context, { params }) => {
      const row = await findAttachment(context, params.id);
      return { status: 200, body: { attachment: detailView(context, row) } };
    },
  }),
  route({
    method: 'PUT',
    path: '/attachments/{id}',
    summary: 'Update an attachment',
    since: SINCE,
    params: idParams,
    query: anyQuery,
    body: schema.updateBody,
    replies: { 200: schema.attachmentReply },
    handle: (context, { params, body }) => updateAttachment(context, params.id, body.attachment.connector),
  }),
  route({
    method: 'DELETE',
    path: '/attachments/{id}',
    summary: 'Delete an attachment',
    since: SINCE,
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.attachmentsReply },
    handle: (context, { params }) => deleteAttachment(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/attachments/{id}/action',
    action: 'os-complete',
    summary: 'Complete an attachment',
    since: COMPLETE_SINCE,
    params: idParams,
    query: anyQuery,
    body: schema.completeBody,
    replies: { 204: null },
    handle: (context, { params }) => completeAttachment(context, params.id),
  }),
];
