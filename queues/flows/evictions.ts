import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { EvictionId, HostName } from '#schema/ids.ts';
import { SEQ_PER_OPERATION } from '#schema/operations.ts';
import type { Tx } from '../transaction.ts';
import { type AttachmentRow, attachmentOf } from './facts.ts';
import type { Run } from './flow.ts';

/** Newer than every task of the operation itself, and older than any of the volume's next. */
const EVICT_SEQ = SEQ_PER_OPERATION - 1;

type EvictingKind = 'volume.force-detach' | 'volume.attach' | 'server.create';

/**
 * Writes down, with the end of an operation that took the volume from a host that is down, what that host has to be rid
 * of when it is back. Hosts without an agent of ours clear up by themselves.
 * @param attachment where it differs from the operation's as it was read.
 */
export function writeEviction(
  tx: Tx,
  run: Run<EvictingKind, unknown>,
  attachment: AttachmentRow | undefined = attachmentOf(run.facts),
): void {
  if (attachment?.managed !== 1 || attachment.host === null || attachment.server_id === null) return;
  const { operation, volume } = run.facts;
  dropEviction(tx, run, attachment);
  tx.later(
    tx.q.insertInto('evictions').values({
      id: sql<EvictionId>`UUID()`,
      volume_id: volume.id,
      server_id: attachment.server_id,
      host: attachment.host as HostName,
      root: attachment.boot_index === 0 ? 1 : 0,
      connection: attachment.connection,
      seq: operation.seq_base + EVICT_SEQ,
      operation_id: operation.id,
      error: null,
      created_at: sqlTime(run.clock.now()),
    }),
  );
}

/**
 * Forgets what an attach that was undone before, or a detach by force, has left the host to be cleared of, where the operation's own task
 * has done it, or another eviction is to: both are newer, and the host would refuse the older one for ever.
 */
export function dropEviction(
  tx: Tx,
  { facts }: Run<EvictingKind | 'volume.detach', unknown>,
  attachment: AttachmentRow | undefined = attachmentOf(facts),
): void {
  const { host, server_id: serverId } = attachment ?? { host: null, server_id: null };
  if (host === null || serverId === null || !facts.uncleared.includes(host)) return;
  tx.later(
    tx.q
      .deleteFrom('evictions')
      .where('volume_id', '=', facts.volume.id)
      .where('host', '=', host as HostName)
      .where('server_id', '=', serverId),
  );
}
