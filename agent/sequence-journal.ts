import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * The newest sequence number carried out for each volume, kept on disk: an old job that turns up late, after a
 * restart or from a restored Redis, cannot undo a newer one. Append-only text, `volume-id seq` a line.
 */
export interface SequenceJournal {
  /**
   * Claims `seq` for the volume and makes that durable. False when a newer one has been carried out; the same
   * number may come again (a job that runs twice).
   */
  advance(volumeId: string, seq: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Lines beyond twice the number of volumes that make a rewrite worth its cost. */
const SLACK_LINES = 20_000;
/** Volumes remembered; the ones longest without a task go first. */
const REMEMBERED = 200_000;

export async function openSequenceJournal(folder: string): Promise<SequenceJournal> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'sequence.journal');
  const newest = parse(await readFile(path, 'utf8').catch(emptyIfMissing));
  let file = await rewrite(path, newest);
  let lines = newest.size;
  /** A write failed (a full disk): half a line may be there, and `newest` knows more than the disk does. */
  let torn = false;

  let waiting: { line: string; done: () => void; failed: (error: unknown) => void }[] = [];
  let writing: Promise<void> | undefined;

  /** One write and one fdatasync for all that came while the last one was under way. */
  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        if (torn || lines > 2 * newest.size + SLACK_LINES) await startAnew();
        else {
          await file.appendFile(batch.map(({ line }) => line).join(''));
          await file.datasync();
          lines += batch.length;
        }
        for (const { done } of batch) done();
      } catch (error) {
        torn = true;
        for (const { failed } of batch) failed(error);
      }
    }
    writing = undefined;
  }

  /** What waits is among the newest already. */
  async function startAnew(): Promise<void> {
    const former = file;
    file = await rewrite(path, newest);
    lines = newest.size;
    torn = false;
    await former.close();
  }

  return {
    async advance(volumeId, seq) {
      const last = newest.get(volumeId);
      if (last !== undefined && seq < last) return false;
      if (last === seq && !torn) return true;
      newest.delete(volumeId);
      newest.set(volumeId, seq);
      if (newest.size > REMEMBERED) newest.delete(newest.keys().next().value as string);
      await new Promise<void>((done, failed) => {
        waiting.push({ line: `${volumeId} ${seq}\n`, done, failed });
        writing ??= writeAll();
      });
      return true;
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

function emptyIfMissing(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
  throw error;
}

/** A torn last line (power lost while writing) was never acknowledged, so it is left out. */
function parse(text: string): Map<string, number> {
  const newest = new Map<string, number>();
  for (const line of text.split('\n').slice(0, -1)) {
    const [volumeId, seq] = line.split(' ');
    if (volumeId !== undefined && seq !== undefined && /^\d+$/.test(seq)) newest.set(volumeId, Number(seq));
  }
  return newest;
}

async function rewrite(path: string, newest: ReadonlyMap<string, number>): Promise<FileHandle> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.appendFile([...newest].map(([volumeId, seq]) => `${volumeId} ${seq}\n`).join(''));
    await file.datasync();
    await rename(draft, path);
    // Or the former file may have that name again after power was lost.
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
