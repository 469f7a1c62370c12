/** Cinder's "Quota sets extension (os-quota-sets)". */
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { isTrue, strictFlag } from '#api/http/fields.ts';
import type { Reply } from '#api/http/route.ts';
import { forgetLimited } from './charge.ts';
import { limitsOf, projectLimits } from './limits.ts';
import { quotaNames, quotaSet, readLimits, type WantedLimit } from './names.ts';
import { classOwner, DEFAULT_CLASS, projectOwner, UNLIMITED } from './resources.ts';
import { setLimits } from './set-limits.ts';
import { usageOf } from './usage.ts';

type Query = Readonly<Record<string, string>>;

export async function showQuotas(context: RequestContext, project: string, query: Query): Promise<Reply> {
  const { app } = context;
  if (!strictFlag(query, 'usage')) {
    return { status: 200, body: { quota_set: { ...(await plainQuotas(context, project)), id: project } } };
  }
  const [names, limits, usage] = await Promise.all([
    quotaNames(app),
    projectLimits(app, project),
    usageOf(app, project),
  ]);
  const quotas = quotaSet(names, ({ resource, type }) => {
    const { inUse, reserved } = usage.of(resource, type);
    return { limit: limits.of(resource, type), in_use: inUse, reserved };
  });
  return { status: 200, body: { quota_set: { ...quotas, id: project } } };
}

async function plainQuotas({ app }: RequestContext, project: string): Promise<Record<string, number>> {
  const [names, limits] = await Promise.all([quotaNames(app), projectLimits(app, project)]);
  return quotaSet(names, ({ resource, type }) => limits.of(resource, type));
}

/** What a project has for which nothing has been set. */
export async function showDefaults({ app }: RequestContext, project: string): Promise<Reply> {
  const [names, limits] = await Promise.all([quotaNames(app), limitsOf(app, [classOwner(DEFAULT_CLASS)])]);
  const quotas = quotaSet(names, ({ resource, type }) => limits.of(resource, type));
  return { status: 200, body: { quota_set: { ...quotas, id: project } } };
}

/** All or nothing. @throws ApiError 400 for a limit that is no limit, or is below what is in use. */
export async function updateQuotas(
  context: RequestContext,
  project: string,
  wanted: Readonly<Record<string, unknown>>,
  query: Query,
): Promise<Reply> {
  const { app } = context;
  const limits = readLimits(await quotaNames(app), wanted, 'quota set');
  await checkInUse(context, project, limits, query['skip_validation']);
  await setLimits(app, projectOwner(project), limits);
  return { status: 200, body: { quota_set: await plainQuotas(context, project) } };
}

/**
 * As in Cinder, a limit that the project has had before must not fall below what is used, and its first one may. With
 * `skip_validation` (of older Cinders) the client says whether they are checked.
 */
async function checkInUse(
  { app }: RequestContext,
  project: string,
  wanted: readonly WantedLimit[],
  skip: string | undefined,
): Promise<void> {
  if (isTrue(skip)) return;
  const [set, usage] = await Promise.all([limitsOf(app, [projectOwner(project)]), usageOf(app, project)]);
  for (const { name, resource, type, limit } of wanted) {
    if (limit === UNLIMITED || resource === 'per_volume_gigabytes') continue;
    if (skip === undefined && !set.isSet(resource, type)) continue;
    const { inUse, reserved } = usage.of(resource, type);
    const used = inUse + reserved;
    if (limit < used) {
      throw badRequest(
        `Quota ${name} limit must be equal or greater than existing resources. Current usage is ${used} and the requested limit is ${limit}.`,
      );
    }
  }
}

export async function deleteQuotas({ app }: RequestContext, project: string): Promise<Reply> {
  await app.db.deleteFrom('quota_limits').where('owner', '=', projectOwner(project)).execute();
  forgetLimited(app);
  return { status: 200 };
}
