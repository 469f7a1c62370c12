import { sql } from 'kysely';
import type { App } from '#api/http/context.ts';
import { forgetLimited } from './charge.ts';
import type { WantedLimit } from './names.ts';

/** All of them in one statement; those that are not named stay as they are. */
export async function setLimits(app: App, owner: string, limits: readonly WantedLimit[]): Promise<void> {
  if (limits.length === 0) return;
  const { db } = app;
  forgetLimited(app);
  await db
    .insertInto('quota_limits')
    .values(
      limits.map(({ resource, type, limit }) => ({
        owner,
        resource,
        volume_type_id: type,
        hard_limit: limit,
      })),
    )
    .onDuplicateKeyUpdate({ hard_limit: sql`VALUES(hard_limit)` })
    .execute();
}
