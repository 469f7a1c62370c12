/** Operations: what a flow is asked for. Everything else a flow reads from MySQL when it runs. */
import type { Iotune } from './iotune.ts';

export interface OperationInputs {
  'volume.create': Record<string, never>;
  'volume.delete': Record<string, never>;
  /** Plug an attachment into a guest that one of our compute agents runs. */
  'volume.attach': { device: string | null };
  'volume.detach': Record<string, never>;
  'volume.extend': { fromGib: number; toGib: number };
  /** Retune one attached volume; `before` is the set to go back to. */
  'qos.apply': { before: Iotune };
  /**
   * Export for a client that connects by itself (Cinder's attachments API with a connector). `createdHere`: the same
   * request made the attachment, so a failure takes it away again.
   */
  'attachment.export': { createdHere: boolean };
  /** Take such an attachment away again. */
  'attachment.revoke': Record<string, never>;
}

export type OperationKind = keyof OperationInputs;

/** How many sequence numbers an operation owns, from its `seq_base` on: one for each step and one for each undo. */
export const SEQ_PER_OPERATION = 64;
