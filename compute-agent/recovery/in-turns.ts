import type { Handlers, TaskContext } from '#agent/handlers.ts';
import type { ServerTurns } from './server-turns.ts';

type Handle = (input: { readonly serverId: string }, context: TaskContext) => Promise<unknown>;

/** The same handlers, none of which runs while its server is being recovered. */
export function inTurns(handlers: Handlers<'compute'>, turns: ServerTurns): Handlers<'compute'> {
  const entries = Object.entries(handlers).map(([name, handle]): [string, Handle] => [
    name,
    (input, context) => turns.task(input.serverId, () => (handle as Handle)(input, context)),
  ]);
  return Object.fromEntries(entries) as unknown as Handlers<'compute'>;
}
