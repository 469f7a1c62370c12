import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Builds a recorded part of a sysfs in a new folder. A line of the record: `F`ile with its bytes in base64, `L`ink with where
 * it leads, or `D`irectory; tabs between.
 */
export async function recordedSysfs(name: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'by-sysfs-'));
  const record = await readFile(join('test/fixtures/sysfs', `${name}.tsv`), 'utf8');
  for (const line of record.split('\n').filter((each) => each !== '')) {
    const [kind, path = '', value = ''] = line.split('\t');
    await mkdir(join(root, kind === 'D' ? path : dirname(path)), { recursive: true });
    if (kind === 'F') await writeFile(join(root, path), Buffer.from(value, 'base64'));
    if (kind === 'L') await symlink(value, join(root, path));
  }
  return root;
}
