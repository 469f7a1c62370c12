/** Nova's "Flavors (flavors)" and "Flavors extra-specs (flavors, os-flavor-extra-specs)". */
import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import {
  addExtraSpecs,
  createFlavor,
  deleteExtraSpec,
  deleteFlavor,
  listFlavors,
  showExtraSpecs,
  showFlavor,
} from './handlers.ts';
import {
  createBody,
  extraSpecsBody,
  extraSpecsReply,
  flavorReply,
  flavorsDetailReply,
  flavorsReply,
} from './schema.ts';
import { detailView, summaryView } from './view.ts';

const QUERY = {
  queryNames: [...LIST_QUERY, 'minRam', 'minDisk'],
  adminQueryNames: ['is_public'],
} as const;

export const flavorRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/flavors',
    summary: 'List flavors',
    params: noParams,
    query: anyQuery,
    ...QUERY,
    replies: { 200: flavorsReply },
    handle: async (context, { query }) => {
      const { rows, ending } = await listFlavors(context, query, 'flavors');
      return { status: 200, body: { flavors: rows.map((row) => summaryView(context, row)), ...ending } };
    },
  }),
  route({
    method: 'GET',
    path: '/flavors/detail',
    summary: 'List flavors with details',
    params: noParams,
    query: anyQuery,
    ...QUERY,
    replies: { 200: flavorsDetailReply },
    handle: async (context, { query }) => {
      const { rows, ending } = await listFlavors(context, query, 'flavors/detail');
      return { status: 200, body: { flavors: rows.map((row) => detailView(context, row)), ...ending } };
    },
  }),
  route({
    method: 'POST',
    path: '/flavors',
    summary: 'Create a flavor',
    params: noParams,
    query: anyQuery,
    body: createBody,
    replies: { 200: flavorReply },
    handle: (context, { body }) => createFlavor(context, body),
  }),
  route({
    method: 'GET',
    path: '/flavors/{id}',
    summary: 'Show a flavor',
    params: idParams,
    query: anyQuery,
    replies: { 200: flavorReply },
    handle: (context, { params }) => showFlavor(context, params.id),
  }),
  route({
    method: 'DELETE',
    path: '/flavors/{id}',
    summary: 'Delete a flavor',
    params: idParams,
    query: anyQuery,
    replies: { 202: null },
    handle: (context, { params }) => deleteFlavor(context, params.id),
  }),
  route({
    method: 'GET',
    path: '/flavors/{id}/os-extra_specs',
    summary: "List a flavor's extra specs",
    params: idParams,
    query: anyQuery,
    replies: { 200: extraSpecsReply },
    handle: (context, { params }) => showExtraSpecs(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/flavors/{id}/os-extra_specs',
    summary: "Add to a flavor's extra specs",
    params: idParams,
    query: anyQuery,
    body: extraSpecsBody,
    replies: { 200: extraSpecsReply },
    handle: (context, { params, body }) => addExtraSpecs(context, params.id, body),
  }),
  route({
    method: 'DELETE',
    path: '/flavors/{id}/os-extra_specs/{key}',
    summary: "Delete one of a flavor's extra specs",
    params: z.strictObject({ id: z.string(), key: z.string() }),
    query: anyQuery,
    replies: { 200: null },
    handle: (context, { params }) => deleteExtraSpec(context, params.id, params.key),
  }),
];
