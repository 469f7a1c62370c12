/** The facts of a failed program. */
export interface ProgramFailure {
  readonly program: string;
  readonly args: readonly string[];
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  /** Node's error code when the program could not start, for example `ENOENT`. */
  readonly code: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that did not end with exit code 0; its message never repeats argv, which may hold names of tenants. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly failure: ProgramFailure;

  constructor(failure: ProgramFailure) {
    super(describe(failure));
    this.failure = failure;
  }
}

function describe(failure: ProgramFailure): string {
  const line = usefulLine(failure.stderr) ?? usefulLine(failure.stdout);
  return `${failure.program} ${outcome(failure)}${line === undefined ? '' : `: ${line}`}`;
}

function outcome({ code, timedOut, signal, exitCode }: ProgramFailure): string {
  if (timedOut) return 'timed out';
  if (exitCode !== undefined) return `exited with ${exitCode}`;
  if (signal !== undefined) return `was killed by ${signal}`;
  return code === 'ENOENT' ? 'is not installed' : `could not start (${code ?? 'unknown reason'})`;
}

/** The last line that says something: programs put warnings first and the reason last. */
function usefulLine(text: string): string | undefined {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return (
    lines.findLast((line) => /error|fail|cannot|can't|denied|invalid|not /i.test(line)) ?? lines.at(-1)
  )?.slice(0, 300);
}
