import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ProgramError } from './program-error.ts';
import { recorded } from './recording.ts';

/** Characters of standard error that are kept: the end says why. */
const KEPT = 8_000;

interface StreamOptions {
  /** Extra environment variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** An open file that it reads as its standard input, from where it stands. Default: none. */
  readonly stdin?: number;
}

/**
 * Runs a program as `Runner` does and gives what it writes to `consume` as it comes, holding none of it; the program waits
 * while nobody reads. It dies with this process, even by SIGKILL, when `signal` says so, and when `consume` fails.
 * @throws ProgramError when it fails, also when `consume` was content with what had come by then.
 */
export function streamed(
  program: string,
  args: readonly string[],
  { env, signal, stdin }: StreamOptions,
  consume: (data: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  return recorded({ program, command: () => [program, ...args].join(' ') }, async () => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      stdio: [stdin ?? 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', ...env },
      signal,
      killSignal: 'SIGKILL',
    });
    const { stdout: data, stderr: words } = child;
    if (data === null || words === null) throw new Error('a program without pipes');
    let stderr = '';
    words.setEncoding('utf8');
    words.on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT);
    });
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    // Whoever waits for it below hears of it; until then a failure must not count as unhandled.
    closed.catch(() => undefined);
    try {
      await consume(data);
    } catch (error) {
      child.kill('SIGKILL');
      await closed.catch(() => undefined);
      throw error;
    }
    const [exitCode, killed] = await closed;
    if (exitCode === 0) return;
    throw new ProgramError({
      program,
      args,
      exitCode: exitCode ?? undefined,
      signal: killed ?? undefined,
      timedOut: false,
      code: undefined,
      stdout: '',
      stderr,
    });
  });
}
