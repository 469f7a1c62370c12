import { z } from 'zod';
import { anyQuery, idParams, time } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { password } from '../builtin/wire.ts';
import { description, enabled, listLinks, name255, selfLink, someId } from '../fields.ts';
import { resourceOptionsView } from '../options.ts';
import { createCredential, deleteCredential, listCredentials, showCredential } from './handlers.ts';

const text = z.string();
const credential = z.strictObject({
  id: text,
  name: text,
  description: text.nullable(),
  user_id: text,
  project_id: text,
  system: z.null(),
  roles: z.array(
    z.strictObject({
      id: text,
      name: text,
      domain_id: z.null(),
      description: text.nullable(),
      options: resourceOptionsView,
    }),
  ),
  unrestricted: z.boolean(),
  expires_at: time.nullable(),
  links: selfLink,
});

const role = z
  .strictObject({ id: someId.optional(), name: name255.optional() })
  .refine(({ id, name }) => (id === undefined) !== (name === undefined), {
    error: 'must have either an id or a name',
  });

const ofCredential = z.strictObject({ id: text, credential_id: text });
const common = { query: anyQuery } as const;

export const applicationCredentialRoutes: readonly Route[] = [
  route({
    ...common,
    method: 'GET',
    path: '/users/{id}/application_credentials',
    summary: 'List the application credentials of a user',
    params: idParams,
    queryNames: ['name'],
    replies: {
      200: z.strictObject({ application_credentials: z.array(credential), links: listLinks }),
    },
    handle: listCredentials,
  }),
  route({
    ...common,
    method: 'POST',
    path: '/users/{id}/application_credentials',
    summary: "Create an application credential of one's own, for the token's project",
    params: idParams,
    body: z.looseObject({
      application_credential: z.looseObject({
        name: name255,
        description: description.optional(),
        secret: password.nullable().optional(),
        expires_at: z.string().max(64).nullable().optional(),
        roles: z.array(role).max(100).nullable().optional(),
        unrestricted: enabled.optional(),
        access_rules: z
          .array(z.unknown())
          .max(0, { error: 'there are no access rules here: restrict the roles instead' })
          .nullable()
          .optional(),
      }),
    }),
    replies: { 201: z.strictObject({ application_credential: credential.extend({ secret: text }) }) },
    handle: createCredential,
  }),
  route({
    ...common,
    method: 'GET',
    path: '/users/{id}/application_credentials/{credential_id}',
    summary: 'Show an application credential',
    params: ofCredential,
    replies: { 200: z.strictObject({ application_credential: credential }) },
    handle: showCredential,
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/users/{id}/application_credentials/{credential_id}',
    summary: 'Delete an application credential, which ends its tokens',
    params: ofCredential,
    replies: { 204: null },
    handle: deleteCredential,
  }),
];
