import type { Handlers, TaskContext } from '#agent/handlers.ts';
import type { ServerTurns } from './server-turns.ts';

type Handle = (input: { readonly serverId?: string }, context: TaskContext) => Promise<unknown>;

/** The same handlers, none of which runs while its server is being recovered. */
export function inTurns(handlers: Handlers<'compute'>, turns: ServerTurns): Handlers<'compute'> {
  const entries = Object.entries(handlers).map(([name, handle]): [string, Handle] => [
    name,
    (input, context) => {
      const work = (): Promise<unknown> => (handle as Handle)(input, context);
      // What is about no server touches none that is being recovered.
      return input.serverId === undefined ? work() : turns.task(input.serverId, work);
    },
  ]);
  return Object.fromEntries(entries) as unknown as Handlers<'compute'>;
}
