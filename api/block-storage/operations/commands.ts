import type { Selectable } from 'kysely';
import type { Caller } from '#api/http/context.ts';
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
  if (caller.isAdmin) return told;
  const commands = told.commands.map((each) => ({
    ...each,
    command: withoutPlaces(each.command),
    error: each.error === null ? null : withoutPlaces(each.error),
  }));
  return { ...told, commands };
}

/** `/dev/vg1/volume-…` → `…/volume-…`. */
const FOLDER = /(?<![\w.…])\/(?:[^\s/,='"]+\/)+/g;
const DEVICES = /(--devices) \S+/g;
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}\b/g;
const IPV6 = /\[[0-9a-f:.]+\]/gi;

function withoutPlaces(text: string): string {
  return text
    .replaceAll(DEVICES, '$1 …')
    .replaceAll(FOLDER, '…/')
    .replaceAll(IPV4, '…')
    .replaceAll(IPV6, '…');
}
