import type { RequestContext } from '#api/http/context.ts';
import { ApiError, notFound } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { parseInput } from '#api/http/validation.ts';
import { change } from './patch.ts';
import { MAX_TAGS, tag } from './schema.ts';

export async function addTag(context: RequestContext, id: string, text: string): Promise<Reply> {
  const value = parseInput(tag, text);
  await change(context, id, (draft) => {
    draft.tags = [...new Set([...draft.tags, value])];
    if (draft.tags.length > MAX_TAGS) throw new ApiError(413, `An image has ${MAX_TAGS} tags at most.`);
  });
  return { status: 204 };
}

export async function removeTag(context: RequestContext, id: string, value: string): Promise<Reply> {
  await change(context, id, (draft) => {
    if (!draft.tags.includes(value)) throw notFound('Tag', value.slice(0, 255));
    draft.tags = draft.tags.filter((other) => other !== value);
  });
  return { status: 204 };
}
