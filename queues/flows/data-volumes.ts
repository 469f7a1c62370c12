import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { type DataVolume, type OperationInputs, SEQ_PER_OPERATION } from '#schema/operations.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';

type Creation = Run<'server.create', unknown>;

/**
 * The server runs: the volumes that it was to have besides its root are attached, each by an operation of its own, which
 * begins in the transaction that ends the server's. Those that are still being made have it wait in line.
 */
export function attachData(
  tx: Tx,
  run: Creation,
  { host, initiator }: { readonly host: HostName; readonly initiator: string },
): void {
  for (const data of run.facts.input.data ?? []) {
    tx.later(
      sql`UPDATE attachments SET host = ${host}, initiator = ${initiator},
        connector = ${JSON.stringify({ initiator, host })}
        WHERE id = ${data.attachmentId} AND status = 'attaching' AND ${stays(run)}`.compile(tx.q),
    );
    begin(tx, run, data, 'volume.attach', { device: data.device });
  }
}

/** There is no server: its volumes are let go of. Those that were there before stay, whatever was to become of them later. */
export function releaseData(tx: Tx, run: Creation): void {
  for (const data of run.facts.input.data ?? []) {
    if (!data.made) {
      tx.later(
        sql`UPDATE attachments SET delete_on_termination = 0
          WHERE id = ${data.attachmentId} AND ${stays(run)}`.compile(tx.q),
      );
    }
    begin(tx, run, data, 'volume.detach', { serverGone: true });
  }
}

/** Whoever deletes a server has begun to detach its volumes. Call it when this transaction has changed the server's row. */
function stays({ facts }: Creation) {
  return sql`EXISTS (SELECT 1 FROM servers
    WHERE id = ${facts.input.serverId} AND COALESCE(task_state, '') <> 'deleting')`;
}

/** Begins an operation of another volume than the one at hand, unless its attachment is gone; see the api's gateway. */
function begin<K extends 'volume.attach' | 'volume.detach'>(
  tx: Tx,
  run: Creation,
  { volumeId, attachmentId }: DataVolume,
  kind: K,
  input: OperationInputs[K],
): void {
  const { user_id, request_id } = run.facts.operation;
  tx.later(sql`UPDATE volumes SET seq = seq + ${SEQ_PER_OPERATION} WHERE id = ${volumeId}`.compile(tx.q));
  tx.later(
    sql`INSERT INTO operations
        (id, kind, state, project_id, user_id, request_id, volume_id, attachment_id, input, seq_base, created_at)
      SELECT UUID(), ${kind}, 'queued', v.project_id, ${user_id}, ${request_id}, v.id, a.id,
        ${JSON.stringify(input)}, v.seq, ${sqlTime(run.clock.now())}
      FROM volumes AS v JOIN attachments AS a ON a.volume_id = v.id
      WHERE v.id = ${volumeId} AND a.id = ${attachmentId} AND ${stays(run)}`.compile(tx.q),
  );
  tx.later(
    sql`UPDATE volumes SET operation_id = (SELECT o.id FROM operations AS o
        WHERE o.volume_id = ${volumeId} AND o.backup_id IS NULL AND o.state = 'queued' ORDER BY o.seq_base LIMIT 1)
      WHERE id = ${volumeId} AND operation_id IS NULL`.compile(tx.q),
  );
}
