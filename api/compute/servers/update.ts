import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { showServer } from './list.ts';
import { findServer, refuseForeign } from './rows.ts';

/** The name that users see; the domain keeps its own. */
export async function updateServer(context: RequestContext, id: string, name: string): Promise<Reply> {
  const { app } = context;
  const server = await findServer(context, id);
  refuseForeign(server);
  await app.db
    .updateTable('servers')
    .set({ name, updated_at: sqlTime(app.clock.now()) })
    .where('id', '=', server.id)
    .where('status', '<>', 'DELETED')
    .execute();
  return showServer(context, server.id);
}
