import { z } from 'zod';
import { anyQuery } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import {
  createEncryption,
  deleteEncryption,
  noEncryption,
  showEncryption,
  updateEncryption,
} from './encryption.ts';
import * as schema from './encryption-schema.ts';

const params = z.strictObject({ type_id: z.string() });
const itemParams = z.strictObject({ type_id: z.string(), key: z.string() });
const admin = { query: anyQuery } as const;

/** A type has one record at most, so the record's own id in a path is not looked at, as in Cinder. */
export const encryptionRoutes: readonly Route[] = [
  route({
    ...admin,
    method: 'GET',
    path: '/types/{type_id}/encryption',
    summary: "Show a type's encryption",
    params,
    replies: { 200: schema.encryptionReply },
    handle: async (context, { params: { type_id: id } }) => ({
      status: 200,
      body: await showEncryption(context, id),
    }),
  }),
  route({
    ...admin,
    method: 'POST',
    path: '/types/{type_id}/encryption',
    summary: "Set a type's encryption",
    params,
    body: schema.createEncryptionBody,
    replies: { 200: schema.encryptionCreatedReply },
    handle: async (context, { params: { type_id: id }, body }) => ({
      status: 200,
      body: { encryption: await createEncryption(context, id, body.encryption) },
    }),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/types/{type_id}/encryption/{key}',
    summary: "Show one item of a type's encryption",
    params: itemParams,
    replies: { 200: schema.encryptionItemReply },
    handle: async (context, { params: { type_id: id, key } }) => {
      const found = await showEncryption(context, id);
      if (!Object.hasOwn(found, key)) throw noEncryption(id);
      return { status: 200, body: { [key]: found[key] } };
    },
  }),
  route({
    ...admin,
    method: 'PUT',
    path: '/types/{type_id}/encryption/{key}',
    summary: "Change a type's encryption",
    params: itemParams,
    body: schema.updateEncryptionBody,
    replies: { 200: schema.encryptionUpdatedReply },
    handle: async (context, { params: { type_id: id }, body }) => ({
      status: 200,
      body: { encryption: await updateEncryption(context, id, body.encryption) },
    }),
  }),
  route({
    ...admin,
    method: 'DELETE',
    path: '/types/{type_id}/encryption/{key}',
    summary: "Delete a type's encryption",
    params: itemParams,
    replies: { 202: null },
    handle: async (context, { params: { type_id: id } }) => {
      await deleteEncryption(context, id);
      return { status: 202 };
    },
  }),
];
