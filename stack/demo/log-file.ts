import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the processes print goes to a file in the run directory. */
export interface LogFile {
  readonly path: string;
  readonly write: (name: string, line: string) => void;
  /** The last lines, oldest first. */
  last(count: number): string[];
  /** Copies it out of the run directory, which is about to go; returns where to, or undefined if nothing was logged. */
  keep(): Promise<string | undefined>;
}

/** Removes what a former run has kept. */
export function logFile(runDir: string): LogFile {
  const kept = `${runDir}.log`;
  rmSync(kept, { force: true });
  const path = join(runDir, 'demo.log');
  let written = false;
  return {
    path,
    write(name, line) {
      written = true;
      // The stack empties the folder when it starts, so the file is made with its first line.
      mkdirSync(runDir, { recursive: true, mode: 0o700 });
      appendFileSync(path, `${new Date().toISOString()} ${name.padEnd(9)} | ${line}\n`, { mode: 0o600 });
    },
    last: (count) =>
      written && existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count) : [],
    async keep() {
      if (!written || !existsSync(path)) return undefined;
      await copyFile(path, kept);
      return kept;
    },
  };
}
