import { execa } from 'execa';
import { programEnvironment } from './program-environment.ts';
import { ProgramError } from './program-error.ts';
import { recorded } from './recording.ts';

/** What a program is given besides its arguments. */
export interface RunOptions {
  /** Written to standard input; the place for secrets, which argv would show to `ps`. */
  readonly input?: string;
  /** Milliseconds until the program is killed (SIGTERM, then SIGKILL). Default 30,000. */
  readonly timeoutMs?: number;
  /** Extra environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The one door to every program: tests inject a recorded one, the benchmark a counting one. */
export interface Runner {
  /**
   * Runs a program without a shell, with `LC_ALL=C`, none of the agent's own variables, and no standard input unless given.
   * Resolves for exit code 0 only.
   * @throws ProgramError naming program, exit code and the useful line of stderr.
   */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Runs real programs; the timeline of the task that runs one tells of it. */
export const systemRunner: Runner = {
  run: (program, args, options = {}) =>
    recorded({ program, command: () => [program, ...args].map(quoted).join(' ') }, () =>
      start(program, args, options),
    ),
};

/** As a shell would take it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

async function start(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const result = await execa(program, [...args], {
    reject: false,
    env: programEnvironment(options.env),
    extendEnv: false,
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    forceKillAfterDelay: 2_000,
    stripFinalNewline: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  if (result.exitCode === 0) return { exitCode: 0, stdout: result.stdout, stderr: result.stderr };
  throw new ProgramError({
    program,
    args,
    exitCode: result.exitCode,
    signal: result.signal,
    timedOut: result.timedOut,
    code: result.code,
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? '',
  });
}
