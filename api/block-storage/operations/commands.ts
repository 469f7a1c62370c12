import type { Selectable } from 'kysely';
import type { Caller } from '#api/http/context.ts';
import { asSeenBy } from '#api/http/places.ts';
import type { CommandRecord } from '#schema/accounts.ts';
import type { OperationStepsTable } from '#schema/tables.ts';

interface Commands {
  readonly commands: readonly CommandRecord[];
  readonly omitted: number;
}

/**
 * What the host had done for a step, as this caller may see it. Administrators see all; users see which programs ran on what of
 * theirs and how they ended, but not where on the host things lie, nor the addresses of its networks.
 */
export function commandsOf(row: Pick<Selectable<OperationStepsTable>, 'commands'>, caller: Caller): Commands {
  const told: Commands =
    row.commands === null ? { commands: [], omitted: 0 } : (JSON.parse(row.commands) as Commands);
  const commands = told.commands.map((each) => ({
    ...each,
    command: asSeenBy(caller, each.command),
    error: each.error === null ? null : asSeenBy(caller, each.error),
  }));
  return { ...told, commands };
}
