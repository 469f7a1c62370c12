import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { MEMBER_SCHEMA, MEMBERS_SCHEMA } from './documents.ts';
import { addMember, listMembers, removeMember, showMember, updateMember } from './handlers.ts';
import * as schema from './schema.ts';

const memberParams = z.strictObject({ id: z.string(), member_id: z.string() });
const one = { path: '/images/{id}/members/{member_id}', params: memberParams, query: anyQuery } as const;
const all = { path: '/images/{id}/members', params: idParams, query: anyQuery } as const;

/** Which projects a shared image is shared with. */
export const memberRoutes: readonly Route[] = [
  route({
    ...all,
    method: 'GET',
    summary: "List an image's members",
    replies: { 200: schema.membersReply },
    handle: (context, { params }) => listMembers(context, params.id),
  }),
  route({
    ...all,
    method: 'POST',
    summary: 'Share an image with a project',
    body: schema.createBody,
    replies: { 200: schema.memberReply },
    handle: (context, { params, body }) => addMember(context, params.id, body),
  }),
  route({
    ...one,
    method: 'GET',
    summary: "Show one of an image's members",
    replies: { 200: schema.memberReply },
    handle: (context, { params }) => showMember(context, params.id, params.member_id),
  }),
  route({
    ...one,
    method: 'PUT',
    summary: 'Accept or reject an image as a member',
    body: schema.updateBody,
    replies: { 200: schema.memberReply },
    handle: (context, { params, body }) => updateMember(context, params.id, params.member_id, body),
  }),
  route({
    ...one,
    method: 'DELETE',
    summary: 'Share an image with a project no longer',
    replies: { 204: null },
    handle: (context, { params }) => removeMember(context, params.id, params.member_id),
  }),
  ...[
    { path: '/schemas/member', document: MEMBER_SCHEMA, what: "an image's member" },
    { path: '/schemas/members', document: MEMBERS_SCHEMA, what: "a list of an image's members" },
  ].map(({ path, document, what }) =>
    route({
      method: 'GET',
      path,
      summary: `Show the JSON schema of ${what}`,
      params: noParams,
      query: anyQuery,
      replies: { 200: z.looseObject({ name: z.string() }) },
      handle: () => ({ status: 200, body: document }),
    }),
  ),
];
