import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { TransferRow } from './rows.ts';

/** From here on a transfer says whether the snapshots go as well. */
const SNAPSHOTS_SINCE = 55;
/** From here on it says whose it is and whose it becomes. */
const HISTORY_SINCE = 57;

export function summaryView(context: RequestContext, row: TransferRow) {
  return {
    id: row.id,
    volume_id: row.volume_id,
    name: row.name,
    links: [
      { rel: 'self', href: `${context.selfUrl}/os-volume-transfer/${row.id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/os-volume-transfer/${row.id}` },
    ],
  };
}

/** One that has been accepted is gone, so none here has a destination. */
export function detailView(context: RequestContext, row: TransferRow) {
  return {
    ...summaryView(context, row),
    created_at: isoTime(row.created_at),
    ...(context.microversion >= SNAPSHOTS_SINCE && { no_snapshots: row.no_snapshots === 1 }),
    ...(context.microversion >= HISTORY_SINCE && {
      source_project_id: row.source_project_id,
      destination_project_id: null,
      accepted: false as const,
    }),
  };
}
