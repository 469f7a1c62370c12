import { storedOn } from './exports.ts';
import type { Facts } from './facts.ts';
import type { TaskCall } from './flow.ts';

/**
 * The last row of what gives a volume other data. What it had lies beside it as `deleting-<id>` on LVM; elsewhere nothing is left of
 * that. A disk that cannot be wiped keeps nobody from the new data: the operation is handed to a person, its end is as if it were
 * done, and what is left is told by drift.
 */
export const WIPE = {
  name: 'wipe',
  on: 'storage',
  task: 'storage.remove',
  waits: true,
  orStuck: true,
  do: ({ facts }: { readonly facts: Facts }) => wipe(facts),
  undo: { none: 'forward only: what has been wiped does not come back' },
} as const;

export function wipe(facts: Facts): TaskCall<'storage.remove'> {
  const { agent, input } = storedOn(facts);
  return { host: agent, input: { backend: input.backend, kind: 'deleting', id: facts.volume.id } };
}
