/** What an agent tells of how it carried a task out, beside the task's answer: it becomes the step's timeline. */
import { z } from 'zod';

/** At most so many commands of one task are told of; the oldest that went well are left out first. */
export const MOST_COMMANDS = 40;
/** Characters. */
export const LONGEST_COMMAND = 400;
export const LONGEST_COMMAND_ERROR = 300;

const ms = z.number().int().nonnegative().max(4_294_967_295);

/** Something the agent had done: a program, a virsh command, a request to tgtd, calls to configfs. */
const commandRecord = z.strictObject({
  /** With its arguments, never with a secret. */
  command: z.string().max(LONGEST_COMMAND),
  /** 0: it went well. What is no program has tgtd's error number, or 1. Null: it did not end by itself. */
  exit_code: z.number().int().nullable(),
  /** Since the agent began with the task. */
  at_ms: ms,
  duration_ms: ms,
  error: z.string().max(LONGEST_COMMAND_ERROR).nullable(),
});
export type CommandRecord = z.infer<typeof commandRecord>;

export const taskAccount = z.strictObject({
  /** How long the agent was at it, all attempts together; what else passed was waiting. */
  ran_ms: ms,
  commands: z.array(commandRecord).max(MOST_COMMANDS),
  /** Commands that are not told of. */
  omitted: z.number().int().nonnegative(),
});
export type TaskAccount = z.infer<typeof taskAccount>;

/** What a job on an agent's queue ends with when the task went well. */
export const taskResult = z.strictObject({ output: z.unknown(), account: taskAccount });

/** Stands between a failed task's `code: message` and its account (JSON), which cross Redis as one text. */
const SEPARATOR = '\u001E';

export function withAccount(failure: string, account: TaskAccount): string {
  return `${failure.replaceAll(SEPARATOR, ' ')}${SEPARATOR}${JSON.stringify(account)}`;
}

/** Takes apart what `withAccount` has put together; an account that is none is left out. */
export function splitAccount(text: string): {
  readonly failure: string;
  readonly account: TaskAccount | null;
} {
  const at = text.indexOf(SEPARATOR);
  if (at === -1) return { failure: text, account: null };
  return { failure: text.slice(0, at), account: parseAccount(text.slice(at + 1)) };
}

function parseAccount(text: string): TaskAccount | null {
  try {
    return taskAccount.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
