import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import type { Difference } from '#queues/drift/difference.ts';
import { findDrift } from '#queues/drift/find.ts';

/** @param host only this one, or `mysql` for MySQL with itself. */
export async function listDrift({ app }: RequestContext, host: string | undefined): Promise<Reply> {
  const { differences, unknown, looked } = await findDrift(app, host);
  return { status: 200, body: { differences: differences.map(view), unknown, hosts: looked } };
}

export function view(row: Difference) {
  return {
    id: row.id,
    kind: row.kind,
    host: row.host,
    volume_id: row.volumeId,
    snapshot_id: row.snapshotId,
    server_id: row.serverId,
    attachment_id: row.attachmentId,
    wanted: row.wanted,
    found: row.found,
    cause: row.cause,
    operation_id: row.operationId,
    repair: row.repair,
    care: row.care,
  };
}
