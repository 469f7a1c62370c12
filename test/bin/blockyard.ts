import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `bin/blockyard` as a user does; only PATH and what is in `env` reach it. */
export async function blockyard(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const options = { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
  return await new Promise((settle, reject) => {
    execFile(resolve('bin/blockyard'), args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else settle({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}
