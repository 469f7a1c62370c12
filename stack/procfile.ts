import { readFile } from 'node:fs/promises';
import { SupervisedProcess } from './supervised-process.ts';

export interface ProcfileOptions {
  /** Default: `Procfile` in the current folder. */
  readonly file?: string;
  /** The whole environment of the process of this name. */
  readonly env: (name: string) => Readonly<Record<string, string | undefined>>;
  /** Names to start. Default: all. */
  readonly only?: readonly string[];
  readonly log: (name: string, line: string) => void;
}

/** The processes of a Procfile, running. */
export interface RunningProcfile {
  readonly processes: ReadonlyMap<string, SupervisedProcess>;
  /** Ends all of them at once, whole process groups. */
  stop(): Promise<void>;
}

/**
 * Starts the lines of a Procfile. They get SIGTERM when this process dies, even by SIGKILL.
 * @throws Error when a line is malformed, or a name in `only` is not there.
 */
export async function startProcfile(options: ProcfileOptions): Promise<RunningProcfile> {
  const file = options.file ?? 'Procfile';
  const commands = parseProcfile(await readFile(file, 'utf8'));
  const processes = new Map<string, SupervisedProcess>();
  for (const name of options.only ?? commands.keys()) {
    const command = commands.get(name);
    if (command === undefined) throw new Error(`${file} has no process "${name}"`);
    processes.set(name, new SupervisedProcess({ name, command, env: options.env(name), log: options.log }));
  }
  for (const supervised of processes.values()) supervised.start();
  return {
    processes,
    stop: async () => {
      await Promise.all([...processes.values()].map((supervised) => supervised.stop()));
    },
  };
}

/**
 * Name → command of each line `name: exec command`; blank lines and lines starting with `#` are skipped.
 * @throws Error naming the line that is none of these, repeats a name, or lacks `exec`: a shell in between would get the
 * signals meant for the program.
 */
export function parseProcfile(text: string): Map<string, string> {
  const commands = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, command] = /^([A-Za-z0-9_-]+):\s*(exec\s.*\S)\s*$/.exec(line) ?? [];
    if (name === undefined || command === undefined || commands.has(name))
      throw new Error(`Procfile line ${index + 1} is not a new "name: exec command": ${line}`);
    commands.set(name, command);
  }
  return commands;
}
