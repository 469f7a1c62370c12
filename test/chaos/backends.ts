import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The stage's two back ends and their folders. The second one promises little room, so that only what is told to lies there. */
const FOLDERS = { files: 'volumes', second: 'second' } as const;

export type BackendName = keyof typeof FOLDERS;

const BACKEND_NAMES = Object.keys(FOLDERS) as BackendName[];

export function folderOf(runDir: string, backend: BackendName): string {
  return join(runDir, FOLDERS[backend]);
}

/** Each back end with its folder. */
export function foldersIn(runDir: string): (readonly [backend: BackendName, folder: string])[] {
  return BACKEND_NAMES.map((backend) => [backend, folderOf(runDir, backend)]);
}

/** Where a file is: in the first back end's folder unless the second has it. */
export async function placeOf(runDir: string, name: string): Promise<string> {
  const [first, second] = BACKEND_NAMES.map((backend) => join(folderOf(runDir, backend), name)) as [
    string,
    string,
  ];
  return (await stat(second).catch(() => null)) === null ? first : second;
}

/** `BLOCKYARD_BACKENDS`. */
export function backendsSetting(runDir: string): string {
  const [files, second] = BACKEND_NAMES.map(
    (backend) => `file:name=${backend},path=${folderOf(runDir, backend)}`,
  );
  return `${files};${second},max_over_subscription_ratio=1`;
}
