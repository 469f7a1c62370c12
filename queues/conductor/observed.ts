import type { Selectable } from 'kysely';
import { sqlTimeToMs } from '#schema/clock.ts';
import type { OperationKind } from '#schema/operations.ts';
import type { OperationState } from '#schema/states.ts';
import type { OperationsTable } from '#schema/tables.ts';
import { pastSpan, spanIdOf, within } from '#telemetry/tracing.ts';
import type { Claim } from './claim.ts';
import { operationEnded, operationTakenOver } from './metrics.ts';

type Operation = Selectable<OperationsTable>;

/** The operation's own span, in the trace of the request that asked for it; null when that is not traced. */
export function traceOf({ id, traceparent }: Operation): string | null {
  return traceparent === null ? null : within(traceparent, spanIdOf(id));
}

/** An operation has been taken up: for the first time, or again. */
export function tookUp({ epoch, facts: { operation } }: Claim, now: number): void {
  if (epoch > 1) operationTakenOver();
  else
    pastSpan(
      () => ({ name: 'queue wait', parent: traceOf(operation) }),
      sqlTimeToMs(operation.created_at),
      now,
    );
}

/** An operation has come to its end. @param log hears of it when it was not done. */
export function ended(
  operation: Operation,
  state: Extract<OperationState, 'done' | 'undone' | 'stuck'>,
  error: string | null,
  now: number,
  log?: (line: string) => void,
): void {
  if (state !== 'done')
    log?.(
      `operation=${operation.id} request=${operation.request_id} kind=${operation.kind} volume=${operation.volume_id} outcome=${state} error=${JSON.stringify(error)}`,
    );
  const began = sqlTimeToMs(operation.created_at);
  operationEnded(operation.kind as OperationKind, state, now - began);
  pastSpan(
    () => ({
      name: `operation ${operation.kind}`,
      id: spanIdOf(operation.id),
      parent: operation.traceparent,
      attributes: {
        'blockyard.operation': operation.id,
        'blockyard.request': operation.request_id,
        'blockyard.volume': operation.volume_id,
        'blockyard.outcome': state,
      },
      error,
    }),
    began,
    now,
  );
}
