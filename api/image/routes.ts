import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { BYTES, bytesBody, type Route, route } from '#api/http/route.ts';
import { downloadData } from './data/download.ts';
import { uploadData } from './data/upload.ts';
import { setActive } from './images/activation.ts';
import { createImage } from './images/create.ts';
import { deleteImage } from './images/delete.ts';
import { FILTER_NAMES } from './images/filters.ts';
import { listImages } from './images/list.ts';
import { patchImage } from './images/patch.ts';
import { findImage } from './images/rows.ts';
import * as schema from './images/schema.ts';
import { addTag, removeTag } from './images/tags.ts';
import { imageView } from './images/view.ts';
import { memberRoutes } from './members/routes.ts';
import { IMAGE_SCHEMA, IMAGES_SCHEMA } from './schemas/documents.ts';

const tagParams = z.strictObject({ id: z.string(), tag: z.string() });

/** Glance's API v2, as far as its command line goes. */
export const imageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/images',
    summary: 'List images',
    params: noParams,
    query: anyQuery,
    queryNames: [...LIST_QUERY.filter((name) => name !== 'offset'), ...FILTER_NAMES],
    replies: { 200: schema.imagesReply },
    handle: (context, { query }) => listImages(context, query),
  }),
  route({
    method: 'POST',
    path: '/images',
    summary: 'Create an image record',
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 201: schema.image },
    handle: (context, { body }) => createImage(context, body),
  }),
  route({
    method: 'GET',
    path: '/images/{id}',
    summary: 'Show an image',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.image },
    handle: async (context, { params }) => ({
      status: 200,
      body: imageView(await findImage(context, params.id)),
    }),
  }),
  route({
    method: 'PATCH',
    path: '/images/{id}',
    summary: 'Change an image',
    params: idParams,
    query: anyQuery,
    body: schema.patchBody,
    consumes: ['application/openstack-images-v2.1-json-patch'],
    replies: { 200: schema.image },
    handle: (context, { params, body }) => patchImage(context, params.id, body),
  }),
  route({
    method: 'DELETE',
    path: '/images/{id}',
    summary: 'Delete an image',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => deleteImage(context, params.id),
  }),
  route({
    method: 'PUT',
    path: '/images/{id}/file',
    summary: "Upload an image's data",
    params: idParams,
    query: anyQuery,
    body: bytesBody,
    consumes: [BYTES],
    replies: { 204: null },
    handle: (context, { params, body }) => uploadData(context, params.id, body),
  }),
  route({
    method: 'GET',
    path: '/images/{id}/file',
    summary: "Download an image's data",
    headers: ['Range'],
    params: idParams,
    query: anyQuery,
    produces: BYTES,
    replies: { 200: z.unknown(), 204: null, 206: z.unknown() },
    handle: (context, { params }) => downloadData(context, params.id),
  }),
  route({
    method: 'PUT',
    path: '/images/{id}/tags/{tag}',
    summary: 'Tag an image',
    params: tagParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => addTag(context, params.id, params.tag),
  }),
  route({
    method: 'DELETE',
    path: '/images/{id}/tags/{tag}',
    summary: 'Take a tag from an image',
    params: tagParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => removeTag(context, params.id, params.tag),
  }),
  route({
    method: 'POST',
    path: '/images/{id}/actions/deactivate',
    summary: 'Deactivate an image',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => setActive(context, params.id, 'deactivated'),
  }),
  route({
    method: 'POST',
    path: '/images/{id}/actions/reactivate',
    summary: 'Reactivate an image',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => setActive(context, params.id, 'active'),
  }),
  ...memberRoutes,
  route({
    method: 'GET',
    path: '/schemas/image',
    summary: "Show an image's JSON schema",
    params: noParams,
    query: anyQuery,
    replies: { 200: z.looseObject({ name: z.string() }) },
    handle: () => ({ status: 200, body: IMAGE_SCHEMA }),
  }),
  route({
    method: 'GET',
    path: '/schemas/images',
    summary: 'Show the JSON schema of a list of images',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.looseObject({ name: z.string() }) },
    handle: () => ({ status: 200, body: IMAGES_SCHEMA }),
  }),
  route({
    method: 'GET',
    path: '/info/import',
    summary: 'Show by which methods images can be imported',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.looseObject({}) },
    handle: () => ({
      status: 200,
      body: {
        'import-methods': { description: 'Import methods available.', type: 'array', value: [] as string[] },
      },
    }),
  }),
];
