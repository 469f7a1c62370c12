import { z } from 'zod';
import { anyQuery, idParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listLinks } from '../fields.ts';
import { addTag, checkTag, clearTags, listTags, removeTag, setTags } from './tag-handlers.ts';
import { tags } from './tags.ts';

const all = { path: '/projects/{id}/tags', params: idParams, query: anyQuery } as const;
const single = {
  path: '/projects/{id}/tags/{tag}',
  params: z.strictObject({ id: z.string(), tag: z.string() }),
  query: anyQuery,
} as const;
const reply = { 200: z.strictObject({ tags: z.array(z.string()), links: listLinks }) };

export const projectTagRoutes: readonly Route[] = [
  route({ ...all, method: 'GET', summary: 'List the tags of a project', replies: reply, handle: listTags }),
  route({
    ...all,
    method: 'PUT',
    summary: 'Give a project these tags and no others',
    body: z.looseObject({ tags }),
    replies: reply,
    handle: setTags,
  }),
  route({
    ...all,
    method: 'DELETE',
    summary: 'Take all tags from a project',
    replies: { 204: null },
    handle: clearTags,
  }),
  route({
    ...single,
    method: 'GET',
    summary: 'Say whether a project has a tag',
    replies: { 204: null },
    handle: checkTag,
  }),
  route({ ...single, method: 'PUT', summary: 'Tag a project', replies: { 201: null }, handle: addTag }),
  route({
    ...single,
    method: 'DELETE',
    summary: 'Take a tag from a project',
    replies: { 204: null },
    handle: removeTag,
  }),
];
