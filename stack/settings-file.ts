import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stack } from './environment.ts';

/**
 * Writes what a shell needs for `bin/blockyard` (`. FILE`): the API's address, an administrator's token, and what the api was told.
 * @returns where.
 */
export async function writeSettings(
  stack: Pick<Stack, 'runDir' | 'env' | 'apiUrl' | 'adminToken'>,
): Promise<string> {
  const file = join(stack.runDir, 'settings.env');
  const settings = { ...stack.env, BLOCKYARD_URL: stack.apiUrl, BLOCKYARD_TOKEN: stack.adminToken };
  const lines = Object.entries(settings).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
  return file;
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
