import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Selectable } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { streamed } from '#agent/stream.ts';
import type { BackupsTable } from '#schema/tables.ts';
import { verifyStream } from './data.ts';
import type { Rig } from './rig.ts';

/** restic reads all of a volume, at what speed the machine has left. */
export const BACKUP_S = 150;
/** It changes nothing, and waits for nobody. */
const LOOKS = ['--no-cache', '--no-lock'];

type BackupRow = Selectable<BackupsTable>;

/** The newest first. */
export function backupsIn(rig: Rig): Promise<BackupRow[]> {
  return rig.db.selectFrom('backups').selectAll().orderBy('created_at', 'desc').execute();
}

/** A backup that is there whole, and the volume of which it is: one with data of its own unless it is said. */
export async function backedUp(rig: Rig, volume?: string): Promise<{ backup: string; of: string }> {
  const of = volume ?? (await rig.volume('available', 'backed'));
  const find = async (): Promise<BackupRow | undefined> =>
    (await backupsIn(rig)).find(
      (each) => each.status === 'available' && each.operation_id === null && each.volume_id === of,
    );
  if ((await find()) === undefined) {
    await backUp(rig, of);
    await rig.until('there is a backup', async () => (await find()) !== undefined, BACKUP_S * 1_000);
  }
  return { backup: (await find())!.id, of };
}

export function backUp(rig: Rig, volume: string): Promise<unknown> {
  return rig.call('POST', rig.path('backups'), { backup: { volume_id: volume, name: 'backup' } });
}

export function restoreOver(rig: Rig, backup: string, volume: string): Promise<unknown> {
  return rig.call('POST', rig.path(`backups/${backup}/restore`), { restore: { volume_id: volume } });
}

/** Leaves so many. */
export async function clearBackups(rig: Rig, keep: number): Promise<void> {
  await rig.apiUp();
  for (const { id } of (await backupsIn(rig)).slice(keep))
    await rig.call('DELETE', rig.path(`backups/${id}`));
  await rig.until('backups are deleted', async () => (await backupsIn(rig)).length <= keep, BACKUP_S * 1_000);
}

/** Another record of the same data, as another database would take it. */
export async function importAgain(rig: Rig, backup: string): Promise<unknown> {
  const { body } = await rig.call('GET', rig.path(`backups/${backup}/export_record`));
  const { backup_service, backup_url } = body['backup-record'];
  const fields = JSON.parse(Buffer.from(backup_url, 'base64').toString());
  const record = Buffer.from(JSON.stringify({ ...fields, id: randomUUID() })).toString('base64');
  return rig.call('POST', rig.path('backups/import_record'), {
    'backup-record': { backup_service, backup_url: record },
  });
}

/** The backup holds what the volume was given. */
export async function verifyBackup(
  rig: Rig,
  { id, repository, data_id, volume_id }: BackupRow,
): Promise<void> {
  const found = (await inRepository(rig, `volume-${repository}`)).filter(({ tags }) =>
    tags.includes(`backup-${data_id}`),
  );
  assert.equal(found.length, 1, `the data of backup ${id} are there once`);
  const { place, env } = storeOf(rig);
  await streamed(
    'restic',
    [...LOOKS, '--repo', join(place, `volume-${repository}`), 'dump', found[0]!.id, '/volume'],
    { env, signal: AbortSignal.timeout(BACKUP_S * 1_000) },
    (data) => verifyStream(data, volume_id),
  );
}

/**
 * What lies in the store is what MySQL's records are about: no backup's data are missing, and nobody's are left. A backup in error may
 * have data, which go when it is deleted: its host may have made them when it came back.
 */
export async function assertStoreAgrees(rig: Rig): Promise<void> {
  let said = '';
  const settled = async (): Promise<boolean> => {
    const rows = await backupsIn(rig);
    const found = await inStore(rig);
    const dataOf = ({ repository, data_id }: BackupRow): string => `volume-${repository} backup-${data_id}`;
    const missing = rows.filter((row) => row.status === 'available' && !found.includes(dataOf(row)));
    const known = new Set(rows.map(dataOf));
    const extra = found.filter((each) => !known.has(each));
    said = JSON.stringify({ missing, extra, twice: found.length - new Set(found).size });
    return missing.length + extra.length === 0 && new Set(found).size === found.length;
  };
  await rig.until('the store has what MySQL says', settled, BACKUP_S * 1_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${said}`, { cause: error });
  });
}

async function inStore(rig: Rig): Promise<string[]> {
  const names = (await readdir(storeOf(rig).place)).filter((name) => name.startsWith('volume-'));
  const found: string[] = [];
  for (const name of names) {
    for (const { tags } of await inRepository(rig, name)) found.push(`${name} ${tags.join()}`);
  }
  return found;
}

async function inRepository(rig: Rig, name: string): Promise<{ id: string; tags: string[] }[]> {
  const { place, env } = storeOf(rig);
  const args = [...LOOKS, '--repo', join(place, name), 'snapshots', '--json'];
  const { stdout } = await systemRunner.run('restic', args, { env, timeoutMs: BACKUP_S * 1_000 });
  return JSON.parse(stdout) as { id: string; tags: string[] }[];
}

function storeOf({ stack }: Rig): { place: string; env: { RESTIC_PASSWORD: string } } {
  return {
    place: stack.env['BLOCKYARD_BACKUP_REPOSITORY']!,
    env: { RESTIC_PASSWORD: stack.env['BLOCKYARD_BACKUP_PASSWORD']! },
  };
}
