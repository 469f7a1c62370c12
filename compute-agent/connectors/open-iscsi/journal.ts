import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';

const entry = z.strictObject({
  volumeId: z.string(),
  iqn: z.string(),
  lun: z.number().int(),
  /** `address:port`; the first is the one whose by-path name a domain may have in its definition. */
  portals: z.array(z.string()).min(1),
  initiator: z.string(),
});

/** How a volume was reached when it was last connected. No secret is in it: that lies with open-iscsi. */
export type JournalEntry = z.infer<typeof entry>;

/** What this host has connected, or has begun to: one file per volume, written before anything else is done. */
export interface Journal {
  put(entry: JournalEntry): Promise<void>;
  get(volumeId: string): Promise<JournalEntry | null>;
  all(): Promise<JournalEntry[]>;
  /** Missing is success. */
  remove(volumeId: string): Promise<void>;
}

/** @param folder made when missing. */
export function openJournal(folder: string): Journal {
  const path = (volumeId: string): string => {
    if (!isUuid(volumeId)) throw new TaskError('invalid', 'a volume id must be a UUID');
    return join(folder, `${volumeId.toLowerCase()}.json`);
  };
  return {
    async put(entry) {
      const text = JSON.stringify(entry);
      if ((await read(path(entry.volumeId))) === text) return;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const draft = `${path(entry.volumeId)}.draft`;
      {
        await using file = await open(draft, 'w', 0o600);
        await file.writeFile(text);
        await file.datasync();
      }
      await rename(draft, path(entry.volumeId));
      await using names = await open(folder, 'r');
      await names.sync();
    },
    async get(volumeId) {
      return parse(await read(path(volumeId)));
    },
    async all() {
      const names = await readdir(folder).catch(() => []);
      const ids = names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : []));
      const entries = await Promise.all(ids.filter(isUuid).map(async (id) => parse(await read(path(id)))));
      return entries.filter((each) => each !== null);
    },
    async remove(volumeId) {
      await rm(path(volumeId), { force: true });
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // Any other failure says nothing about the volume, and what is missing may be removed.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/** A file that is none of ours, or of a version to come, is as good as missing. */
function parse(text: string): JournalEntry | null {
  try {
    return entry.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
