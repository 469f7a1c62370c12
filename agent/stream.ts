import { spawn } from 'node:child_process';
import { programEnvironment } from './program-environment.ts';
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
 * while nobody reads. It dies with this process, even by SIGKILL, when `signal` says so, and when `consume` fails; it has ended when this does.
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
      env: programEnvironment(env),
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
    // An abort is told at once as an error; what it reads and writes is free only when it has ended.
    let trouble: Error | undefined;
    child.once('error', (error) => {
      trouble = error;
    });
    const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.once('close', (...how: [number | null, NodeJS.Signals | null]) => resolve(how));
    });
    try {
      await consume(data);
    } catch (error) {
      child.kill('SIGKILL');
      await closed;
      throw trouble ?? error;
    }
    const [exitCode, killed] = await closed;
    if (trouble !== undefined) throw trouble;
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
