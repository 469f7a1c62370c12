import { z } from 'zod';

const task = z.object({
  backend: z.string().optional(),
  from: z.object({ backend: z.string().optional() }).optional(),
});

/**
 * Which back ends a task's input is about, as one word: tasks that share it may wait for one another, and for no others. Empty for
 * what concerns none.
 */
export function backendsOf(input: unknown): string {
  const { backend, from } = task.safeParse(input).data ?? {};
  // A copy waits for the one that it is read from, too.
  return [from?.backend, backend].filter((name) => name !== undefined).join(' ');
}
