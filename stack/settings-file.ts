import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stack } from './environment.ts';

/** Files for a shell (`. FILE`). */
export interface SettingsFiles {
  /** Where the API is, and an administrator's token. */
  readonly client: string;
  /** What the api was told: apart, because a demo or test that is started with it would use this stack's servers. */
  readonly api: string;
}

/** Writes what `bin/blockyard` needs in another shell. */
export async function writeSettings({
  runDir,
  env,
  apiUrl,
  adminToken,
}: Pick<Stack, 'runDir' | 'env' | 'apiUrl' | 'adminToken'>): Promise<SettingsFiles> {
  const files = { client: join(runDir, 'client.env'), api: join(runDir, 'api.env') };
  await write(files.client, { BLOCKYARD_URL: apiUrl, BLOCKYARD_TOKEN: adminToken });
  await write(files.api, env);
  return files;
}

async function write(file: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
