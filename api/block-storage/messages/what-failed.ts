import type { RequestContext } from '#api/http/context.ts';
import type { OperationId } from '#schema/ids.ts';
import { commandsOf } from '../operations/commands.ts';

/** For each of these operations that failed at a host: where, in which step, by what command, and how long it had waited. */
export async function whatFailed(
  { app, caller }: RequestContext,
  operations: readonly OperationId[],
): Promise<ReadonlyMap<OperationId, string>> {
  if (operations.length === 0) return new Map();
  const steps = await app.db
    .selectFrom('operation_steps')
    .select(['operation_id', 'name', 'direction', 'host', 'wait_ms', 'commands'])
    .where('operation_id', 'in', operations)
    .where('state', '=', 'failed')
    .orderBy('position')
    .execute();
  const found = new Map<OperationId, string>();
  for (const step of steps) {
    // The first is why it turned back; a later one is of an undo, which the operation's own error tells of.
    if (found.has(step.operation_id)) continue;
    const failed = commandsOf(step, caller).commands.findLast(({ exit_code }) => exit_code !== 0);
    const words = [
      `step "${step.name}" on host ${step.host}`,
      ...(failed === undefined
        ? []
        : [
            `${failed.command}: ${failed.exit_code === null ? 'no exit code' : `exit code ${failed.exit_code}`}`,
          ]),
      ...(step.wait_ms === null ? [] : [`after a wait of ${step.wait_ms} ms`]),
    ];
    found.set(step.operation_id, words.join(', '));
  }
  return found;
}
