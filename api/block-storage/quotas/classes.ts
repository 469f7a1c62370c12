/** Cinder's "Quota class set extension (os-quota-class-sets)": the class `default` holds for every project. */
import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { limitsOf } from './limits.ts';
import { quotaNames, quotaSet, readLimits } from './names.ts';
import { classOwner, DEFAULT_CLASS } from './resources.ts';
import { setLimits } from './set-limits.ts';

export async function showClass(context: RequestContext, name: string): Promise<Reply> {
  return { status: 200, body: { quota_class_set: { ...(await classQuotas(context, name)), id: name } } };
}

/** Answers without the name, as Cinder does. */
export async function updateClass(
  context: RequestContext,
  name: string,
  wanted: Readonly<Record<string, unknown>>,
): Promise<Reply> {
  const { app } = context;
  await setLimits(app, classOwner(name), readLimits(await quotaNames(app), wanted, 'quota class set'));
  return { status: 200, body: { quota_class_set: await classQuotas(context, name) } };
}

async function classQuotas({ app }: RequestContext, name: string): Promise<Record<string, number>> {
  const [names, own, general] = await Promise.all([
    quotaNames(app),
    limitsOf(app, [classOwner(name)]),
    limitsOf(app, [classOwner(DEFAULT_CLASS)]),
  ]);
  return quotaSet(names, ({ resource, type }) =>
    (own.isSet(resource, type) ? own : general).of(resource, type),
  );
}
