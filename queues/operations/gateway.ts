import type { Transaction } from 'kysely';
import type { AttachmentId, BackupId, OperationId, ProjectId, UserId, VolumeId } from '#schema/ids.ts';
import type { OperationInputs, OperationKind } from '#schema/operations.ts';
import type { OperationState } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import type { QueueDepth } from '../queue-depths.ts';
import type { Tx } from '../transaction.ts';

export interface NewOperation<K extends OperationKind> {
  readonly kind: K;
  readonly volumeId: VolumeId;
  readonly attachmentId?: AttachmentId;
  /** It holds this backup, not the volume, and waits its turn there. */
  readonly backupId?: BackupId;
  readonly projectId: ProjectId;
  readonly userId: UserId;
  readonly requestId: string;
  readonly input: OperationInputs[K];
}

export interface EndedOperation {
  readonly state: OperationState;
  readonly error: string | null;
}

/** The api's side of the operations engine. */
export interface OperationGateway {
  /**
   * Writes the operation in the caller's transaction, beside the status change that it stands for. Nothing happens
   * until that transaction has committed and `submit` is called; if the caller dies in between, the sweeper submits.
   */
  begin<K extends OperationKind>(
    trx: Tx | Transaction<Tables>,
    operation: NewOperation<K>,
  ): Promise<OperationId>;
  /** Puts the committed operation on the queue, without waiting; failures are the sweeper's. */
  submit(id: OperationId): void;
  /** Waits until the operation has ended, or `timeoutMs` have passed (then with the state it has). */
  ended(id: OperationId, timeoutMs: number): Promise<EndedOperation>;
  /** What waits in these queues. @throws Error while Redis is away. */
  depths(queues: readonly string[]): Promise<QueueDepth[]>;
}
