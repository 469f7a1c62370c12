import { z } from 'zod';
import { anyQuery, upTo } from '#api/http/fields.ts';
import { checkOwnProject } from '#api/http/own-project.ts';
import { type Route, route } from '#api/http/route.ts';
import { showClass, updateClass } from './classes.ts';
import { deleteQuotas, showDefaults, showQuotas, updateQuotas } from './sets.ts';

const quota = z.union([
  z.int(),
  z.strictObject({ limit: z.int(), in_use: z.int(), reserved: z.int(), allocated: z.int().optional() }),
]);
const shown = z.strictObject({ quota_set: z.object({ id: z.string() }).catchall(quota) });
const updated = z.strictObject({ quota_set: z.record(z.string(), z.int()) });
const shownClass = z.strictObject({ quota_class_set: z.object({ id: z.string() }).catchall(z.int()) });
const updatedClass = z.strictObject({ quota_class_set: z.record(z.string(), z.int()) });

/** @param called what Cinder calls it when it is too long. */
const nameOf = (called: string) =>
  z
    .string()
    .min(1)
    .refine(upTo(255), {
      error: ({ input }) =>
        `Invalid input received: ${called} has ${Array.from(String(input)).length} characters, more than 255.`,
    })
    .meta({ maxLength: 255 });
const projectParams = z.strictObject({ project: nameOf('quota_set_name') });
const classParams = z.strictObject({ class: nameOf('quota_class_name') });

const limit = z.union([
  z.int().min(-1).max(2_147_483_647),
  z.string().regex(/^\d{1,12}$/, { error: "does not match '^[0-9]*$'" }),
]);
const setBody = z.strictObject({
  quota_set: z
    .record(z.string(), z.unknown())
    .refine((set) => Object.keys(set).length > 0, { error: 'does not have enough properties' }),
});
const classBody = z.strictObject({
  quota_class_set: z.record(
    z.string().regex(/^[a-zA-Z0-9\-_:. ]{1,300}$/, {
      error: "does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,300}$'",
    }),
    limit,
  ),
});

const SHOW = 'volume_extension:quotas:show';

export const quotaRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}',
    summary: "Show a project's quotas",
    params: projectParams,
    query: anyQuery,
    queryNames: ['usage'],
    replies: { 200: shown },
    handle: (context, { params: { project }, query }) => {
      checkOwnProject(context, project, SHOW);
      return showQuotas(context, project, query);
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}/defaults',
    summary: 'Show the default quotas',
    params: projectParams,
    query: anyQuery,
    replies: { 200: shown },
    handle: (context, { params: { project } }) => {
      checkOwnProject(context, project, SHOW);
      return showDefaults(context, project);
    },
  }),
  route({
    method: 'PUT',
    path: '/os-quota-sets/{project}',
    summary: "Change a project's quotas",
    params: projectParams,
    query: anyQuery,
    queryNames: ['skip_validation'],
    body: setBody,
    replies: { 200: updated },
    handle: (context, { params: { project }, query, body }) =>
      updateQuotas(context, project, body.quota_set, query),
  }),
  route({
    method: 'DELETE',
    path: '/os-quota-sets/{project}',
    summary: "Put a project's quotas back to the default ones",
    params: projectParams,
    query: anyQuery,
    replies: { 200: null },
    handle: (context, { params: { project } }) => deleteQuotas(context, project),
  }),
  route({
    method: 'GET',
    path: '/os-quota-class-sets/{class}',
    summary: "Show a quota class's quotas",
    params: classParams,
    query: anyQuery,
    replies: { 200: shownClass },
    handle: (context, { params }) => showClass(context, params.class),
  }),
  route({
    method: 'PUT',
    path: '/os-quota-class-sets/{class}',
    summary: "Change a quota class's quotas",
    params: classParams,
    query: anyQuery,
    body: classBody,
    replies: { 200: updatedClass },
    handle: (context, { params, body }) => updateClass(context, params.class, body.quota_class_set),
  }),
];
