import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a run directory keeps, so that the same one can be started again. Only its owner may read the file. */
export interface StackState {
  readonly secretKey: string;
  readonly redisPassword: string;
  readonly databasePassword: string;
  readonly adminToken: string;
  readonly initiatorName: string;
  /** Of the target: domains name it in their XML. */
  readonly iscsiPort: number | undefined;
}

export async function loadState(runDir: string): Promise<StackState> {
  const file = join(runDir, 'stack.json');
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as StackState;
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  const state: StackState = {
    secretKey: hex(32),
    redisPassword: hex(18),
    databasePassword: hex(18),
    adminToken: hex(18),
    initiatorName: `iqn.2026-01.org.blockyard:${hex(6)}`,
    iscsiPort: undefined,
  };
  await saveState(runDir, state);
  return state;
}

export async function saveState(runDir: string, state: StackState): Promise<void> {
  const file = join(runDir, 'stack.json');
  await writeFile(`${file}.draft`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.draft`, file);
}
