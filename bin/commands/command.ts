import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** Where a command writes to. */
export interface Streams {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** A wrong command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something that the user can be told in one line: exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/**
 * Runs a command and turns what it throws into one line on standard error.
 * @param body resolves with the exit code.
 * @returns the exit code: the body's, 1 when it failed, 2 for wrong usage.
 */
export async function runCommand(
  name: string,
  usage: string,
  argv: readonly string[],
  { stdout, stderr }: Streams,
  body: () => Promise<number>,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    stdout.write(usage);
    return 0;
  }
  try {
    return await body();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const wrong = error instanceof UsageError;
    stderr.write(`blockyard ${name}: ${oneLine(message)}${wrong ? ' (--help shows the usage)' : ''}\n`);
    return wrong ? 2 : 1;
  }
}

/**
 * `node:util`'s parseArgs.
 * @throws UsageError for an unknown option, a missing value or a wrong number of words.
 */
export function readArgs<const O extends ParseArgsOptionsConfig>(
  argv: readonly string[],
  words: readonly string[],
  options: O,
) {
  try {
    const parsed = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
    const missing = words[parsed.positionals.length];
    if (missing !== undefined) throw new Error(`${missing} is missing`);
    const surplus = parsed.positionals[words.length];
    if (surplus !== undefined) throw new Error(`"${surplus}" is one word too many`);
    return { values: parsed.values, positionals: parsed.positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unreadable');
  }
}

/** Keeps what servers say from breaking or colouring the terminal's line. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').trim();
}
